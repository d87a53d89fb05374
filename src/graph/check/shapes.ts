import { ThumbnetError } from "../../errors.ts";
import type { Graph, Operator, OperatorOf, Tensor } from "../graph.ts";
import { elementCount, formatShape, sameShape, windowExtent } from "../shape.ts";
import { operatorLabel, Problems, quoted } from "./problems.ts";
import { optionalInput } from "./structure.ts";

type Shape = readonly number[];

function refuse(message: string): never {
  throw new ThumbnetError(message);
}

/**
 * The content of a small constant integer tensor: paddings, axes, a shape.
 *
 * @throws ThumbnetError where it is no constant of int32 or int64, or has more than `most` elements
 */
export function constantIntegers({ name, dtype, shape, data }: Tensor, most: number): number[] {
  if (data === null || (dtype !== "int32" && dtype !== "int64")) {
    refuse(`${quoted(name)} is ${data ? "" : "no "}constant ${dtype}; supported: constant int32 or int64`);
  }
  const length = elementCount(shape);
  if (length > most) refuse(`${quoted(name)} has ${length} elements; supported: up to ${most}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length }, (_, i) =>
    dtype === "int32" ? view.getInt32(4 * i, true) : Number(view.getBigInt64(8 * i, true)),
  );
}

function atLeastOne(options: object): void {
  for (const key in options) {
    const value: unknown = options[key as keyof typeof options];
    if (typeof value === "number" && !(Number.isInteger(value) && value >= 1)) {
      refuse(`has the ${key} ${value}; supported: 1 and more`);
    }
  }
}

function ranked(what: string, { name, shape }: Tensor, rank: number): Shape {
  if (shape.length === rank) return shape;
  return refuse(`${what} ${quoted(name)} has the shape ${formatShape(shape)}; supported: ${rank} dimensions`);
}

function resolveAxis(axis: number, rank: number): number {
  if (!(Number.isInteger(axis) && axis >= -rank && axis < rank)) {
    refuse(`has the axis ${axis}; supported for ${rank} dimensions: ${-rank} to ${rank - 1}`);
  }
  return axis < 0 ? axis + rank : axis;
}

function windowShape(
  { options }: OperatorOf<"CONV_2D" | "DEPTHWISE_CONV_2D" | "AVERAGE_POOL_2D" | "MAX_POOL_2D">,
  input: Shape,
  [filterHeight, filterWidth]: readonly [number, number],
  channels: number,
): Shape {
  const { padding, strideHeight, strideWidth } = options;
  const [dilationHeight, dilationWidth] =
    "dilationHeight" in options ? [options.dilationHeight, options.dilationWidth] : [1, 1];
  const height = windowExtent(padding, input[1]!, filterHeight, strideHeight, dilationHeight).output;
  const width = windowExtent(padding, input[2]!, filterWidth, strideWidth, dilationWidth).output;
  return [input[0]!, height, width, channels];
}

function convolutionShape(operator: OperatorOf<"CONV_2D">, x: Tensor, weights: Tensor): Shape {
  const input = ranked("input", x, 4);
  const [channels, height, width, depth] = ranked("weights", weights, 4) as [number, number, number, number];
  const groups = input[3]! / depth;
  if (!Number.isInteger(groups) || channels % groups !== 0) {
    refuse(
      `weights ${formatShape(weights.shape)} do not fit the input ${formatShape(input)}; supported: a number of ` +
        "groups, input channels / weight depth, that divides both channel counts",
    );
  }
  return windowShape(operator, input, [height, width], channels);
}

function depthwiseShape(operator: OperatorOf<"DEPTHWISE_CONV_2D">, x: Tensor, weights: Tensor): Shape {
  const input = ranked("input", x, 4);
  const [one, height, width, channels] = ranked("weights", weights, 4) as [number, number, number, number];
  const { depthMultiplier } = operator.options;
  if (one !== 1 || channels !== input[3]! * depthMultiplier) {
    refuse(
      `weights ${formatShape(weights.shape)} do not fit the input ${formatShape(input)} and a depth multiplier ` +
        `of ${depthMultiplier}; supported: [1,KH,KW,${input[3]! * depthMultiplier}]`,
    );
  }
  return windowShape(operator, input, [height, width], channels);
}

function fullyConnectedShape({ options }: OperatorOf<"FULLY_CONNECTED">, x: Tensor, weights: Tensor): Shape {
  const [channels, depth] = ranked("weights", weights, 2) as [number, number];
  const rows = elementCount(x.shape) / depth;
  if (!Number.isInteger(rows) || (options.keepNumDims && x.shape.at(-1) !== depth)) {
    refuse(`weights ${formatShape(weights.shape)} do not fit the input ${formatShape(x.shape)}`);
  }
  return options.keepNumDims ? [...x.shape.slice(0, -1), channels] : [rows, channels];
}

function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [m, n] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (m !== n && m !== 1 && n !== 1) refuse(`${formatShape(a)} and ${formatShape(b)} do not broadcast`);
    return Math.max(m, n);
  });
}

function padShape({ shape }: Tensor, paddings: Tensor): Shape {
  const rank = shape.length;
  const amounts = constantIntegers(paddings, 2 * rank);
  if (!sameShape(paddings.shape, [rank, 2]) || amounts.some((amount) => amount < 0)) {
    refuse(`paddings ${formatShape(paddings.shape)} of ${amounts}; supported: [${rank},2] of 0 and more`);
  }
  return shape.map((dimension, i) => amounts[2 * i]! + dimension + amounts[2 * i + 1]!);
}

function meanShape({ options }: OperatorOf<"MEAN">, { shape }: Tensor, axes: Tensor): Shape {
  if (axes.dtype !== "int32") refuse(`axes ${quoted(axes.name)} are ${axes.dtype}; supported: int32`);
  const reduced = constantIntegers(axes, shape.length).map((axis) => resolveAxis(axis, shape.length));
  const kept = shape.map((dimension, i) => (reduced.includes(i) ? 1 : dimension));
  return options.keepDims ? kept : kept.filter((_, i) => !reduced.includes(i));
}

function concatenationShape({ options }: OperatorOf<"CONCATENATION">, inputs: readonly Tensor[]): Shape {
  const [first, ...others] = inputs.map((tensor) => tensor.shape);
  const axis = resolveAxis(options.axis, first!.length);
  const stray = others.find((shape) => !sameShape(shape.toSpliced(axis, 1), first!.toSpliced(axis, 1)));
  if (stray) refuse(`${formatShape(first!)} and ${formatShape(stray)} do not concatenate along axis ${axis}`);
  return first!.with(
    axis,
    inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0),
  );
}

function expandedShape({ shape }: Tensor, axisTensor: Tensor): Shape {
  const [axis] = constantIntegers(axisTensor, 1);
  return shape.toSpliced(resolveAxis(axis!, shape.length + 1), 0, 1);
}

/** The dimensions of 1 that SQUEEZE takes out of `input` to give `output`; null where that cannot be. */
export function squeezedDimensions(input: Shape, output: Shape): number[] | null {
  const squeezed: number[] = [];
  for (const [i, dimension] of input.entries()) {
    if (dimension === output[i - squeezed.length]) continue;
    if (dimension !== 1) return null;
    squeezed.push(i);
  }
  return input.length - squeezed.length === output.length ? squeezed : null;
}

function regrouped(operator: OperatorOf<"RESHAPE" | "SQUEEZE">, { shape }: Tensor, output: Shape): Shape {
  const fits =
    operator.kind === "RESHAPE"
      ? elementCount(shape) === elementCount(output)
      : squeezedDimensions(shape, output) !== null;
  return fits ? output : refuse(`output ${formatShape(output)} does not fit the input ${formatShape(shape)}`);
}

/**
 * The shape that an operator's output must have, from its inputs and options. RESHAPE and SQUEEZE may choose:
 * they give `output` if it is legal.
 *
 * @param inputs the operator's input tensors, null for an absent bias
 * @throws ThumbnetError where inputs or options are not legal, without naming the operator
 */
export function outputShape(operator: Operator, inputs: readonly (Tensor | null)[], output: Shape): Shape {
  const [x, second] = inputs as [Tensor, Tensor];
  if ("strideHeight" in operator.options) atLeastOne(operator.options);
  switch (operator.kind) {
    case "CONV_2D":
      return convolutionShape(operator, x, second);
    case "DEPTHWISE_CONV_2D":
      return depthwiseShape(operator, x, second);
    case "FULLY_CONNECTED":
      return fullyConnectedShape(operator, x, second);
    case "AVERAGE_POOL_2D":
    case "MAX_POOL_2D": {
      const input = ranked("input", x, 4);
      return windowShape(
        operator,
        input,
        [operator.options.filterHeight, operator.options.filterWidth],
        input[3]!,
      );
    }
    case "ADD":
    case "SUB":
    case "MUL":
      return broadcastShape(x.shape, second.shape);
    case "PAD":
      return padShape(x, second);
    case "MEAN":
      return meanShape(operator, x, second);
    case "CONCATENATION":
      return concatenationShape(operator, inputs as Tensor[]);
    case "RESHAPE":
    case "SQUEEZE":
      return regrouped(operator, x, output);
    case "EXPAND_DIMS":
      return expandedShape(x, second);
    case "SOFTMAX":
      return x.shape.length > 0 ? x.shape : refuse("has a scalar input; supported: 1 dimension and more");
    case "LOGISTIC":
    case "RELU":
    case "RELU6":
    case "QUANTIZE":
    case "DEQUANTIZE":
      return x.shape;
  }
}

/** Adds to `problems` each operator of a sound graph (see `checkGraph`) that breaks its shape rules. */
export function findShapeProblems(graph: Graph, problems: Problems): void {
  for (const [i, operator] of graph.operators.entries()) {
    const inputs = operator.inputs.map((index) => graph.tensors[index] ?? null);
    const output = graph.tensors[operator.outputs[0]!]!;
    try {
      const expected = outputShape(operator, inputs, output.shape);
      if (!sameShape(expected, output.shape)) {
        const found = `output ${quoted(output.name)} has the shape ${formatShape(output.shape)}`;
        problems.add(operatorLabel(graph, i), `${found}; expected ${formatShape(expected)}`);
      }
      const bias = inputs[optionalInput(operator.kind)];
      if (bias && elementCount(bias.shape) !== expected.at(-1)) {
        const found = `bias ${quoted(bias.name)} has the shape ${formatShape(bias.shape)}`;
        problems.add(operatorLabel(graph, i), `${found}; expected [${expected.at(-1)}]`);
      }
    } catch (error) {
      if (!(error instanceof ThumbnetError)) throw error;
      problems.add(operatorLabel(graph, i), error.message);
    }
  }
}

/**
 * Checks that every operator's shapes follow from its inputs and options, whatever the element types.
 *
 * @throws ThumbnetError listing all that do not
 */
export function checkShapes(graph: Graph): void {
  const problems = new Problems();
  findShapeProblems(graph, problems);
  problems.throwIfAny(`${graph.name}: shapes do not fit`);
}
