/** The random graphs are legal, cover everything, and are worth comparing on. */
import { beforeAll, describe, expect, test } from "vitest";
import { checkInt8 } from "../../src/graph/check.ts";
import type { Graph, Operator, Tensor } from "../../src/graph/graph.ts";
import { elementCount } from "../../src/graph/shape.ts";
import {
  OPERATOR_KINDS,
  type RandomGraph,
  randomGraph,
  randomOperatorGraph,
} from "../support/random-graph.ts";
import { quantizeMultiplier } from "./arithmetic.ts";
import { type Contents, referenceRun } from "./run.ts";

const SEEDS = 2500;

function* operatorFeatures(tensors: readonly Tensor[], operator: Operator): Generator<string> {
  const { kind } = operator;
  const inputs = operator.inputs.filter((i) => i !== -1).map((i) => tensors[i]!);
  const [first, second] = inputs as [Tensor, Tensor];
  const output = tensors[operator.outputs[0]!]!;
  yield kind;
  if ("activation" in operator.options) yield `${kind} ${operator.options.activation}`;
  if ("padding" in operator.options) {
    const { padding, strideHeight, strideWidth } = operator.options;
    yield `${kind} ${padding}`;
    yield `${kind} stride ${strideHeight}`;
    if (strideHeight !== strideWidth) yield `${kind} unequal strides`;
    const [batches, height, width, channels] = first.shape as [number, number, number, number];
    if (height === 1 && width === 1) yield `${kind} 1x1 map`;
    if (height === 1 && width > 1) yield `${kind} 1xN map`;
    if (batches > 1) yield `${kind} batch`;
    if (channels % 2 === 1) yield `${kind} odd channels`;
    if (channels > 16) yield `${kind} many channels`;
  }
  if ("dilationHeight" in operator.options) {
    const { dilationHeight, dilationWidth } = operator.options;
    if (dilationHeight * dilationWidth > 1) yield `${kind} dilation`;
  }
  switch (operator.kind) {
    case "CONV_2D":
    case "DEPTHWISE_CONV_2D":
    case "FULLY_CONNECTED": {
      const { scales, zeroPoints } = second.quantization!;
      yield `${kind} ${inputs.length === 3 ? "bias" : "no bias"}`;
      yield `${kind} ${scales.length > 1 ? "per channel" : "per tensor"}`;
      if (zeroPoints[0] !== 0) yield `${kind} weights zero point`;
      const from = first.quantization!.scales[0]!;
      const to = output.quantization!.scales[0]!;
      const factors = scales.map((scale) => quantizeMultiplier((from * scale) / to));
      if (factors.some(({ shift }) => shift > 0)) yield `${kind} positive shift`;
      if (factors.some(({ multiplier }) => multiplier === 0)) yield `${kind} zero multiplier`;
      if (new Int8Array(second.data!).includes(-128)) yield `${kind} weight -128`;
      const biases = inputs.length === 3 ? new Int32Array(inputs[2]!.data!.slice().buffer) : [0];
      if (Math.max(...biases) > 2 ** 20) yield `${kind} large bias`;
      break;
    }
    case "ADD":
    case "SUB":
    case "MUL": {
      const sides = [first, second].map((side, i) => {
        const rank = side.shape.length;
        const placed = rank === output.shape.length ? side.shape : null;
        const form =
          rank === 0
            ? "scalar"
            : elementCount(side.shape) === 1
              ? "one element"
              : `${side.shape}` === `${output.shape}`
                ? "full"
                : placed?.length === 4 && placed[1]! > 1 && elementCount(placed) === placed[1]
                  ? "rows"
                  : side.shape.at(-1) === elementCount(side.shape)
                    ? "channels"
                    : "other shape";
        return [`${side.data === null ? "activation" : "constant"} ${i + 1}`, form] as const;
      });
      for (const [origin, form] of sides) {
        yield `${kind} ${origin}`;
        yield `${kind} ${form}`;
      }
      if (sides.every(([, form]) => form !== "full")) yield `${kind} both broadcast`;
      break;
    }
    case "MEAN": {
      const axes = new Int32Array(second.data!.slice().buffer);
      const rank = first.shape.length;
      const reduced = [...axes].map((axis) => (axis + rank) % rank).sort();
      const same = `${first.quantization?.scales}` === `${output.quantization?.scales}`;
      yield `MEAN ${rank === 4 && `${reduced}` === "1,2" ? "of a map" : "of other axes"}`;
      yield `MEAN ${operator.options.keepDims ? "keeps" : "drops"} dimensions`;
      yield `MEAN ${same ? "same scale" : "other scale"}`;
      if (axes.some((axis) => axis < 0)) yield "MEAN negative axis";
      if (second.shape.length === 0) yield "MEAN scalar axis";
      break;
    }
    case "CONCATENATION":
      yield `CONCATENATION of ${inputs.length}`;
      yield `CONCATENATION along ${operator.options.axis === output.shape.length - 1 || operator.options.axis === -1 ? "channels" : "another axis"}`;
      if (operator.options.axis < 0) yield "CONCATENATION negative axis";
      break;
    case "PAD":
      yield `PAD ${second.dtype}`;
      break;
    case "QUANTIZE":
    case "DEQUANTIZE":
      yield `${kind} ${first.dtype} to ${output.dtype}`;
      break;
    case "SOFTMAX":
      if (operator.options.beta !== 1) yield "SOFTMAX beta";
      if (first.shape.at(-1)! >= 200) yield "SOFTMAX long rows";
      break;
  }
  if (operator.kind === "CONV_2D" && second.shape[3] !== first.shape[3]) yield "CONV_2D groups";
  if (operator.kind === "DEPTHWISE_CONV_2D" && operator.options.depthMultiplier > 1) {
    yield "DEPTHWISE_CONV_2D multiplier";
  }
  if (operator.kind === "FULLY_CONNECTED") {
    yield `FULLY_CONNECTED ${operator.options.keepNumDims ? "keeps" : "drops"} dimensions`;
    if (second.shape[1] !== first.shape.at(-1)) yield "FULLY_CONNECTED flattens";
  }
}

function* graphFeatures({ tensors, operators, inputs, outputs }: Graph): Generator<string> {
  const reads = operators.flatMap((operator) => operator.inputs);
  yield `${Math.min(operators.length, 8)} operators`;
  if (inputs.length > 1) yield "several inputs";
  if (outputs.length > 1) yield "several outputs";
  if (outputs.some((tensor) => reads.includes(tensor))) yield "an output that is read";
  if (tensors.some((tensor, i) => tensor.data === null && reads.indexOf(i) !== reads.lastIndexOf(i)))
    yield "a branch";
  for (const tensor of inputs) yield `input ${tensors[tensor]!.dtype}`;
  for (const tensor of outputs) yield `output ${tensors[tensor]!.dtype}`;
  const producers = new Map(operators.map((operator) => [operator.outputs[0], operator.kind]));
  for (const operator of operators) {
    const producer = producers.get(operator.inputs[0]);
    if (operator.kind === "CONV_2D" && producer === "PAD") yield "PAD before CONV_2D";
    const shape = tensors[operator.outputs[0]!]!.shape;
    yield `rank ${shape.length}`;
    for (const zeroPoint of tensors[operator.outputs[0]!]!.quantization?.zeroPoints ?? []) {
      if (zeroPoint === -128 || zeroPoint === 127) yield `zero point ${zeroPoint}`;
    }
  }
}

const WINDOWS = ["CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"];
const CONVOLUTIONS = ["CONV_2D", "DEPTHWISE_CONV_2D"];
const WEIGHTED = [...CONVOLUTIONS, "FULLY_CONNECTED"];
const BINARY = ["ADD", "SUB", "MUL"];
const each = (kinds: readonly string[], features: readonly string[]) =>
  kinds.flatMap((kind) => features.map((feature) => `${kind} ${feature}`));

/** Each must occur several times among the graphs. */
const FEATURES: readonly string[] = [
  ...OPERATOR_KINDS,
  ...each(WINDOWS, ["SAME", "VALID", "stride 1", "stride 2", "stride 3", "stride 4", "unequal strides"]),
  ...each(WINDOWS, ["1x1 map", "1xN map", "batch", "odd channels", "many channels"]),
  ...each([...WINDOWS, "FULLY_CONNECTED", ...BINARY], ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]),
  ...each(CONVOLUTIONS, ["dilation"]),
  ...each(WEIGHTED, ["bias", "no bias", "per channel", "per tensor", "positive shift", "zero multiplier"]),
  ...each(WEIGHTED, ["weight -128", "large bias"]),
  ...["CONV_2D groups", "DEPTHWISE_CONV_2D multiplier", "FULLY_CONNECTED weights zero point"],
  ...each(["FULLY_CONNECTED"], ["keeps dimensions", "drops dimensions", "flattens"]),
  ...each(BINARY, [
    "activation 1",
    "activation 2",
    "constant 1",
    "constant 2",
    "full",
    "scalar",
    "one element",
  ]),
  ...each(BINARY, ["rows", "channels", "other shape", "both broadcast"]),
  ...each(
    ["MEAN"],
    ["of a map", "of other axes", "keeps dimensions", "drops dimensions", "same scale", "other scale"],
  ),
  ...each(["MEAN"], ["negative axis", "scalar axis"]),
  ...each(
    ["CONCATENATION"],
    ["of 2", "of 3", "of 4", "along channels", "along another axis", "negative axis"],
  ),
  ...[
    "PAD int32",
    "PAD int64",
    "PAD before CONV_2D",
    "SOFTMAX beta",
    "SOFTMAX long rows",
    "DEQUANTIZE int8 to float32",
  ],
  ...each(["QUANTIZE"], ["float32 to int8", "uint8 to int8", "int8 to int8", "int8 to uint8"]),
  ...["several inputs", "several outputs", "an output that is read", "a branch"],
  ...["input int8", "input uint8", "input float32", "output int8", "output uint8", "output float32"],
  ...["rank 0", "rank 1", "rank 2", "rank 3", "rank 4", "zero point -128", "zero point 127"],
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((count) => `${count} operators`),
];

describe("random graphs", () => {
  const graphs: { random: RandomGraph; contents: Contents }[] = [];
  beforeAll(() => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const random = randomGraph(seed);
      graphs.push({ random, contents: referenceRun(random.graph, random.inputs) });
    }
  });

  test("cover every operator and option", () => {
    const counts = new Map<string, number>();
    const count = (feature: string) => counts.set(feature, (counts.get(feature) ?? 0) + 1);
    for (const { random } of graphs) {
      for (const feature of graphFeatures(random.graph)) count(feature);
      for (const operator of random.graph.operators) {
        for (const feature of operatorFeatures(random.graph.tensors, operator)) count(feature);
      }
    }
    expect(FEATURES.filter((feature) => (counts.get(feature) ?? 0) < 5)).toEqual([]);
  });

  test("give results that tell implementations apart", () => {
    let varied = 0;
    let total = 0;
    for (const { random, contents } of graphs) {
      for (const operator of random.graph.operators) {
        const content = contents[operator.outputs[0]!] as Int8Array;
        if (content.length < 8) continue;
        total++;
        if (new Set(content).size > 3) varied++;
      }
    }
    expect(varied / total).toBeGreaterThan(0.8);
  });

  test("are sound: checked, every input read, every tensor written", () => {
    for (const { random, contents } of graphs) {
      const { graph } = random;
      checkInt8(graph);
      const reads = new Set(graph.operators.flatMap((operator) => operator.inputs));
      expect(graph.inputs.every((tensor) => reads.has(tensor))).toBe(true);
      expect(contents.every((content) => content !== null)).toBe(true);
      expect(graph.outputs.length).toBeGreaterThan(0);
      expect(new Set(graph.outputs).size).toBe(graph.outputs.length);
    }
  });

  test("never overflow int32", () => {
    for (const { random } of graphs) {
      const { tensors, operators, name } = random.graph;
      for (const operator of operators) {
        const [input, weights, bias] = operator.inputs.map((i) => tensors[i]);
        const output = tensors[operator.outputs[0]!]!;
        if (!WEIGHTED.includes(operator.kind) || !weights?.data) continue;
        const channels = operator.kind === "DEPTHWISE_CONV_2D" ? weights.shape[3]! : weights.shape[0]!;
        const biases = bias ? new Int32Array(bias.data!.slice().buffer) : Int32Array.of(0);
        const largest =
          (weights.data.length / channels) * 255 * 148 +
          biases.reduce((most, b) => Math.max(most, Math.abs(b)), 0);
        const factor = Math.max(...weights.quantization!.scales) * input!.quantization!.scales[0]!;
        const { shift } = quantizeMultiplier(factor / output.quantization!.scales[0]!);
        if (largest * 2 ** Math.max(shift, 0) >= 2 ** 31 - 128) expect.fail(`${name}: ${operator.kind}`);
      }
    }
  });

  test("are the same for the same seed, and others for another", () => {
    const text = ({ graph, inputs }: RandomGraph) => JSON.stringify([graph, inputs]);
    expect(text(randomGraph(12))).toBe(text(randomGraph(12)));
    expect(text(randomGraph(12))).not.toBe(text(randomGraph(13)));
  });

  test("keep to the options", () => {
    for (let seed = 0; seed < 100; seed++) {
      const { graph } = randomGraph(seed, { operators: 2, elements: 200, kinds: ["CONV_2D", "MEAN"] });
      expect(graph.operators.every(({ kind }) => /CONV_2D|MEAN|QUANTIZE/.test(kind))).toBe(true);
      expect(graph.tensors.every(({ data, shape }) => data !== null || elementCount(shape) <= 200)).toBe(
        true,
      );
    }
  });
});

test.each(OPERATOR_KINDS)("random operator: %s", (kind) => {
  const shapes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const { graph, inputs } = randomOperatorGraph(kind, seed);
    expect(graph.operators.at(-1)!.kind).toBe(kind);
    const contents = referenceRun(graph, inputs);
    expect(contents[graph.outputs[0]!]!.length).toBe(elementCount(graph.tensors[graph.outputs[0]!]!.shape));
    shapes.add(`${graph.tensors[graph.inputs[0]!]!.shape}`);
  }
  expect(shapes.size).toBeGreaterThan(10);
});
