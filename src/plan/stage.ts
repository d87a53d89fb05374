/** Operators that can run on some rows of their maps at a time. */
import type { Graph } from "../graph/graph.ts";
import type { KernelCall, OperandRef } from "./kernel-call.ts";
import type { InputName } from "./overlap.ts";

/** An operator of a chain: its one call, and which input rows an output row needs. */
export interface Stage {
  readonly operator: number;
  readonly call: KernelCall;
  /** The tensor that comes from the stage before, and under which name the call has it. */
  readonly input: number;
  readonly inputName: InputName;
  readonly output: number;
  /** A second operand, which lies whole in the arena or in the image. */
  readonly other: number | null;
  readonly inputHeight: number;
  readonly outputHeight: number;
  /** Bytes of a row. */
  readonly inputRow: number;
  readonly outputRow: number;
  readonly window: Window;
}

/** Along the height. */
interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padTop: number;
}

const ONE_TO_ONE: Window = { kernel: 1, stride: 1, dilation: 1, padTop: 0 };

/** The stage that an operator can be; null where its kernel needs the whole input. */
export function stageOf(
  graph: Graph,
  operator: number,
  calls: readonly KernelCall[],
  input: number,
): Stage | null {
  const [call] = calls;
  const op = graph.operators[operator]!;
  const output = op.outputs[0]!;
  const [from, to] = [graph.tensors[input]!.shape, graph.tensors[output]!.shape];
  if (!call || calls.length > 1) return null;
  if ([from, to].some((shape) => shape.length !== 4 || shape[0] !== 1)) return null;
  const sizes = {
    inputHeight: from[1]!,
    outputHeight: to[1]!,
    inputRow: from[2]! * from[3]!,
    outputRow: to[2]! * to[3]!,
  };
  const stage = { operator, call, input, output, inputName: "input" as InputName, other: null, ...sizes };
  switch (call.kernel) {
    case "conv_s8":
    case "depthwise_s8":
    case "avg_pool_s8":
    case "max_pool_s8": {
      const { kernelHeight, strideHeight, dilationHeight, padTop } = call.values;
      const window = { kernel: kernelHeight, stride: strideHeight, dilation: dilationHeight, padTop };
      return op.inputs[0] === input ? { ...stage, window } : null;
    }
    case "pointwise_s8":
    case "lookup_s8":
      return op.inputs[0] === input ? { ...stage, window: ONE_TO_ONE } : null;
    case "add_s8":
    case "mul_s8": {
      const [a, b] = op.inputs as [number, number];
      if (call.values.broadcast1 + call.values.broadcast2 > 0 || a === b) return null;
      const isFirst = a === input;
      return {
        ...stage,
        window: ONE_TO_ONE,
        inputName: isFirst ? "input" : "input2",
        other: isFirst ? b : a,
      };
    }
    default:
      return null;
  }
}

/** The first input row of the window of an output row; negative in the padding. */
export function windowStart({ window }: Stage, outputRow: number): number {
  return outputRow * window.stride - window.padTop;
}

/** One past the last input row that output rows before `end` need. */
export function inputEnd(stage: Stage, end: number): number {
  if (end === 0) return 0;
  const { kernel, dilation } = stage.window;
  const last = windowStart(stage, end - 1) + (kernel - 1) * dilation;
  return Math.max(0, Math.min(stage.inputHeight, last + 1));
}

/** Where the rows of a slice lie and how many they are. */
export interface Cut {
  readonly input: OperandRef;
  readonly output: OperandRef;
  readonly other: OperandRef | null;
  readonly inputRows: number;
  readonly outputRows: number;
  /** Rows of padding over the first input row. */
  readonly padTop: number;
}

/** The stage's call on some rows only. */
export function cutCall(
  stage: Stage,
  { input, output, other, inputRows, outputRows, padTop }: Cut,
): KernelCall {
  const { call } = stage;
  const elements = outputRows * stage.outputRow;
  switch (call.kernel) {
    case "conv_s8":
    case "depthwise_s8":
    case "avg_pool_s8":
    case "max_pool_s8": {
      const rows = { inputHeight: inputRows, outputHeight: outputRows, padTop };
      return { ...call, values: { ...call.values, input, output, ...rows } } as KernelCall;
    }
    case "pointwise_s8": {
      const pixels = elements / call.values.outputChannels;
      return { ...call, values: { ...call.values, input, output, pixels } };
    }
    case "lookup_s8":
      return { ...call, values: { ...call.values, input, output, count: elements } };
    case "add_s8":
    case "mul_s8": {
      const refs = stage.inputName === "input" ? { input, input2: other } : { input: other, input2: input };
      const dimensions = { dim0: 1, dim1: 1, dim2: 1, dim3: elements };
      return { ...call, values: { ...call.values, ...refs, output, ...dimensions } } as KernelCall;
    }
    default:
      throw new Error(`${call.kernel} cannot be cut into rows`);
  }
}
