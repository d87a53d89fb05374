/** Operators that no vector covers, against results worked out by hand and against real arithmetic. */
import { describe, expect, test } from "vitest";
import type { DType, Graph, Operator, OperatorKind, OperatorOptions, Tensor } from "../../src/graph/graph.ts";
import { OPERATOR_KINDS, randomOperatorGraph } from "../support/random-graph.ts";
import { type Multiplier, quantizeMultiplier, requantizeExact } from "./arithmetic.ts";
import { sumFactors } from "./parameters.ts";
import { type Content, referenceRun } from "./run.ts";
import { EXP_OF_MINUS_POWERS, expOnNegative, logisticFixed, reciprocalOfOnePlus } from "./softmax.ts";

type Affine = readonly [scale: number, zeroPoint: number];
const f32 = Math.fround;

function tensor(
  name: string,
  dtype: DType,
  shape: number[],
  affine: Affine | null,
  data: Int8Array | Int32Array | null = null,
): Tensor {
  const quantization = affine && { scales: [f32(affine[0])], zeroPoints: [affine[1]], axis: 0 };
  return { name, dtype, shape, quantization, data: data && new Uint8Array(data.slice().buffer) };
}

/** Output of one operator on tensors of which those without data are inputs, in order. */
function runOne<K extends OperatorKind>(
  kind: K,
  options: OperatorOptions[K],
  inputs: readonly (readonly [Tensor, Content?])[],
  output: Tensor,
): Content {
  const operator = {
    kind,
    options,
    inputs: inputs.map((_, i) => i),
    outputs: [inputs.length],
  } as unknown as Operator;
  const fed = inputs.flatMap(([, content], i) => (content === undefined ? [] : [[i, content] as const]));
  const graph: Graph = {
    name: kind,
    tensors: [...inputs.map(([one]) => one), output],
    operators: [operator],
    inputs: fed.map(([i]) => i),
    outputs: [inputs.length],
  };
  return referenceRun(graph, new Map(fed))[inputs.length]!;
}

describe("by hand", () => {
  test("SUB keeps the order of its operands and broadcasts either", () => {
    const map = tensor("map", "int8", [1, 2, 2, 2], [0.5, 0]);
    const channel = tensor("channel", "int8", [2], [0.25, 10]);
    const output = tensor("output", "int8", [1, 2, 2, 2], [0.5, 1]);
    const content = Int8Array.of(0, 10, 20, 30, -40, -50, 60, 127);
    const perChannel = Int8Array.of(14, 2); // 1 and -2
    const options = { activation: "NONE" } as const;
    expect(
      runOne(
        "SUB",
        options,
        [
          [map, content],
          [channel, perChannel],
        ],
        output,
      ),
    ).toEqual(Int8Array.of(-1, 15, 19, 35, -41, -45, 59, 127));
    expect(
      runOne(
        "SUB",
        options,
        [
          [channel, perChannel],
          [map, content],
        ],
        output,
      ),
    ).toEqual(Int8Array.of(3, -13, -17, -33, 43, 47, -57, -128));
  });

  test("MEAN rounds instead of truncating even where input and output share their parameters", () => {
    const input = tensor("input", "int8", [1, 2, 2, 2], [0.1, -5]);
    const axes = tensor("axes", "int32", [2], null, Int32Array.of(1, -2));
    const output = tensor("output", "int8", [1, 2], [0.1, -5]);
    // Means 1.75 and -1.75. Truncated: 1 and -1. Rounded once: 2 and -2. But 3.25 above the zero point is rounded twice,
    // to 6.5 -> 7 halves and these to 4.
    const content = Int8Array.of(1, -1, 2, -2, 2, -2, 2, -2);
    expect(runOne("MEAN", { keepDims: false }, [[input, content], [axes]], output)).toEqual(
      Int8Array.of(2, -1),
    );
  });

  test("LOGISTIC", () => {
    const input = tensor("input", "int8", [5], [1 / 16, 0]);
    const output = tensor("output", "int8", [5], [1 / 256, -128]);
    const result = runOne("LOGISTIC", {}, [[input, Int8Array.of(0, 16, -16, 127, -128)]], output);
    // 1/2, 1/(1 + 1/e), 1/(1 + e), and almost 1 and 0
    expect(result).toEqual(Int8Array.of(0, 59, -59, 127, -128));
  });

  test("SOFTMAX of long rows: down to half a step of 1/256, then nothing", () => {
    for (const [depth, expected] of [
      [256, -127],
      [511, -127],
      [512, -128],
      [4095, -128],
    ] as const) {
      const input = tensor("input", "int8", [depth], [0.1, 0]);
      const output = tensor("output", "int8", [depth], [1 / 256, -128]);
      const result = runOne("SOFTMAX", { beta: 1 }, [[input, new Int8Array(depth)]], output);
      expect(result, `${depth}`).toEqual(new Int8Array(depth).fill(expected));
    }
  });

  test("RELU rescales, RELU6 does not", () => {
    const input = tensor("input", "int8", [4], [0.1, -20]);
    const content = Int8Array.of(-128, -20, 30, 127);
    const output = tensor("output", "int8", [4], [0.2, -100]);
    expect(runOne("RELU", {}, [[input, content]], output)).toEqual(Int8Array.of(-100, -100, -75, -26));
    const same = tensor("output", "int8", [4], [0.1, -20]);
    expect(runOne("RELU6", {}, [[input, content]], same)).toEqual(Int8Array.of(-20, -20, 30, 40));
  });

  test("QUANTIZE", () => {
    const floats = tensor("floats", "float32", [6], null);
    const int8 = tensor("int8", "int8", [6], [0.5, 3]);
    const values = Float32Array.of(0.25, -0.25, 0.74, 1e30, Number.NEGATIVE_INFINITY, Number.NaN);
    expect(runOne("QUANTIZE", {}, [[floats, values]], int8)).toEqual(Int8Array.of(4, 2, 4, 127, -128, 3));
    const uint8 = tensor("uint8", "uint8", [3], [0.5, 128]);
    const signed = tensor("signed", "int8", [3], [0.5, 0]);
    expect(runOne("QUANTIZE", {}, [[uint8, Uint8Array.of(0, 128, 255)]], signed)).toEqual(
      Int8Array.of(-128, 0, 127),
    );
    expect(runOne("QUANTIZE", {}, [[signed, Int8Array.of(-128, 0, 127)]], uint8)).toEqual(
      Uint8Array.of(0, 128, 255),
    );
  });

  test("PAD writes the zero point, CONCATENATION joins along an inner axis", () => {
    const input = tensor("input", "int8", [2, 2], [0.5, 7]);
    const paddings = tensor("paddings", "int32", [2, 2], null, Int32Array.of(1, 0, 0, 2));
    const padded = tensor("padded", "int8", [3, 4], [0.5, 7]);
    const content = Int8Array.of(1, 2, 3, 4);
    expect(runOne("PAD", {}, [[input, content], [paddings]], padded)).toEqual(
      Int8Array.of(7, 7, 7, 7, 1, 2, 7, 7, 3, 4, 7, 7),
    );
    const left = tensor("left", "int8", [1, 2, 2], [0.5, 7]);
    const right = tensor("right", "int8", [1, 2, 1], [0.5, 7]);
    const joined = tensor("joined", "int8", [1, 2, 3], [0.5, 7]);
    const options = { axis: -1, activation: "NONE" } as const;
    expect(
      runOne(
        "CONCATENATION",
        options,
        [
          [left, content],
          [right, Int8Array.of(8, 9)],
        ],
        joined,
      ),
    ).toEqual(Int8Array.of(1, 2, 8, 3, 4, 9));
  });
});

describe("where float32 and float64 part", () => {
  test("a float is divided by the scale in float32", () => {
    // In float64, or times the reciprocal, these are just below 9.5 and 25.5.
    for (const [scale, value, expected] of [
      [0.06623058766126633, 0.6291905641555786, 10],
      [0.05508497357368469, 1.404666781425476, 26],
    ] as const) {
      const output = tensor("output", "int8", [1], [scale, 0]);
      const input = tensor("input", "float32", [1], null);
      expect(runOne("QUANTIZE", {}, [[input, Float32Array.of(value)]], output)).toEqual(
        Int8Array.of(expected),
      );
    }
  });

  test("so is the limit of an activation", () => {
    const scale = 0.23529411852359772; // 6 / scale = 25.4999999 in float64
    const input = tensor("input", "int8", [1, 1, 1, 1], [scale, -10]);
    const options = {
      padding: "VALID",
      strideHeight: 1,
      strideWidth: 1,
      filterHeight: 1,
      filterWidth: 1,
      activation: "RELU6",
    } as const;
    expect(
      runOne("MAX_POOL_2D", options, [[input, Int8Array.of(127)]], { ...input, name: "output" }),
    ).toEqual(Int8Array.of(16));
  });

  test("ADD's factors are float64, SUB's float32", () => {
    const [scale1, scale2, output] = [f32(0.1), f32(0.3), f32(0.7)];
    const sum = sumFactors("ADD", scale1, scale2, output);
    const difference = sumFactors("SUB", scale1, scale2, output);
    expect(sum.input1Multiplier).toBe(quantizeMultiplier(scale1 / (2 * scale2)).multiplier);
    // A float32 has 24 bits of the 31.
    expect(difference.input1Multiplier % 2 ** 7).toBe(0);
    expect(difference.outputMultiplier % 2 ** 7).toBe(0);
    expect(Math.abs(difference.input1Multiplier - sum.input1Multiplier)).toBeLessThan(2 ** 7);
    expect(sum.input1Multiplier).not.toBe(difference.input1Multiplier);
    expect(sum.outputMultiplier).not.toBe(difference.outputMultiplier);
  });

  test("FULLY_CONNECTED with one scale multiplies in float32, all else in float64", () => {
    const [inputScale, weightScale, outputScale] = [f32(0.1), f32(3e-7), f32(0.3)];
    const single = quantizeMultiplier(f32(inputScale * weightScale) / outputScale);
    const double = quantizeMultiplier((inputScale * weightScale) / outputScale);
    const scaled = (value: number, { multiplier, shift }: Multiplier) =>
      requantizeExact(value, multiplier, shift);
    // A bias for which it matters.
    let bias = Math.round((90.5 * outputScale) / (inputScale * weightScale)) - 1000;
    while (scaled(bias, single) === scaled(bias, double)) bias++;

    const input = tensor("input", "int8", [1, 1, 1, 1], [inputScale, 0]);
    const output = tensor("output", "int8", [1, 1, 1, 1], [outputScale, 0]);
    const layer = (channels: number, weightsShape: number[]) => {
      const one = tensor("weights", "int8", weightsShape, [weightScale, 0], new Int8Array(channels));
      const weights = {
        ...one,
        quantization: {
          scales: Array(channels).fill(weightScale),
          zeroPoints: Array(channels).fill(0),
          axis: 0,
        },
      };
      const biases = tensor("bias", "int32", [channels], null, new Int32Array(channels).fill(bias));
      return [[input, Int8Array.of(0)], [weights], [biases]] as const;
    };
    const connected = { activation: "NONE", keepNumDims: true } as const;
    expect(runOne("FULLY_CONNECTED", connected, layer(1, [1, 1]), output)[0]).toBe(scaled(bias, single));
    const wide = tensor("output", "int8", [1, 1, 1, 2], [outputScale, 0]);
    expect(runOne("FULLY_CONNECTED", connected, layer(2, [2, 1]), wide)[0]).toBe(scaled(bias, double));
    const window = {
      padding: "SAME",
      strideHeight: 1,
      strideWidth: 1,
      dilationHeight: 1,
      dilationWidth: 1,
      activation: "NONE",
    } as const;
    expect(runOne("CONV_2D", window, layer(1, [1, 1, 1, 1]), output)[0]).toBe(scaled(bias, double));
  });
});

describe("fixed point against real functions", () => {
  test("constants", () => {
    EXP_OF_MINUS_POWERS.forEach((constant, i) => {
      expect(Math.abs(constant - Math.exp(-(2 ** (i - 2))) * 2 ** 31)).toBeLessThan(0.5);
    });
  });

  test("exponential, reciprocal and sigmoid", () => {
    for (let i = 0; i < 1000; i++) {
      const x = -i * 77_777;
      expect(Math.abs(expOnNegative(x, 5) / 2 ** 31 - Math.exp(x / 2 ** 26))).toBeLessThan(2 ** -20);
      const a = i * 2_147_000;
      expect(Math.abs(reciprocalOfOnePlus(a) / 2 ** 31 - 1 / (1 + a / 2 ** 31))).toBeLessThan(2 ** -27);
      const z = (i - 500) * 2_500_000;
      expect(Math.abs(logisticFixed(z) / 2 ** 31 - 1 / (1 + Math.exp(-z / 2 ** 27)))).toBeLessThan(2 ** -20);
    }
  });
});

/** Real values of a tensor. */
function real(one: Tensor, content: Content): number[] {
  const values = Array.from(content as ArrayLike<number>);
  if (one.quantization === null) return values;
  const { scales, zeroPoints } = one.quantization;
  return values.map((value) => scales[0]! * (value - zeroPoints[0]!));
}

/** What an element-wise operator gives in real arithmetic, by element of equal-shaped operands. */
const IDEAL: Partial<Record<OperatorKind, (a: number, b: number) => number>> = {
  ADD: (a, b) => a + b,
  SUB: (a, b) => a - b,
  MUL: (a, b) => a * b,
  RELU: (a) => Math.max(a, 0),
  RELU6: (a) => Math.min(Math.max(a, 0), 6),
  LOGISTIC: (a) => 1 / (1 + Math.exp(-a)),
  QUANTIZE: (a) => a,
  DEQUANTIZE: (a) => a,
};

const LIMITS = {
  NONE: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  RELU: [0, Number.POSITIVE_INFINITY],
  RELU6: [0, 6],
  RELU_N1_TO_1: [-1, 1],
} as const;

describe("within one step of real arithmetic", () => {
  const kinds = OPERATOR_KINDS.filter((kind) => IDEAL[kind] !== undefined);
  test.each(kinds)("%s", (kind) => {
    let compared = 0;
    for (let seed = 0; seed < 150; seed++) {
      const { graph, inputs } = randomOperatorGraph(kind, seed, 400);
      const contents = referenceRun(graph, inputs);
      const { tensors } = graph;
      const operator = graph.operators[0]!;
      const output = tensors[operator.outputs[0]!]!;
      const operands = operator.inputs.map((i) => tensors[i]!);
      if (operands.some((operand) => `${operand.shape}` !== `${output.shape}`)) continue;
      const [a, b = []] = operator.inputs.map((i) => real(tensors[i]!, contents[i]!));
      const results = real(output, contents[operator.outputs[0]!]!);
      const { scales, zeroPoints } = output.quantization ?? { scales: [1], zeroPoints: [0] };
      const step = scales[0]!;
      const [lowest, highest] = output.dtype === "uint8" ? [0, 255] : [-128, 127];
      const activation = "activation" in operator.options ? operator.options.activation : "NONE";
      const saturate = (value: number) => {
        if (output.quantization === null) return value;
        const clamped = Math.min(Math.max(value, LIMITS[activation][0]), LIMITS[activation][1]);
        return Math.min(
          Math.max(clamped, (lowest - zeroPoints[0]!) * step),
          (highest - zeroPoints[0]!) * step,
        );
      };
      results.forEach((result, i) => {
        const ideal = saturate(IDEAL[kind]!(a![i]!, b[i]!));
        const tolerance = output.quantization === null ? Math.abs(ideal) * 2 ** -23 : 1.01 * step;
        if (!(Math.abs(result - ideal) <= tolerance)) {
          expect.fail(`seed ${seed}, element ${i}: ${result}, ideally ${ideal}, step ${step}`);
        }
        compared++;
      });
    }
    expect(compared).toBeGreaterThan(2000);
  });
});
