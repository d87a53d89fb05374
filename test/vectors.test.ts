// Vectors of the real kernels, integer parameters and all, through every implementation of the same kernels.
import { describe, expect, it } from "vitest";
import type { KernelCall, KernelCallOf } from "../src/plan/kernel-call.ts";
import { KERNELS, type KernelName } from "../src/plan/layout.ts";
import { NO_LINEAR_SUM, solveLinearSum } from "../src/plan/linear-sum.ts";
import { interleaved, matrixFields } from "../src/plan/matrix.ts";
import { quantizeMultiplier, requantize } from "../src/plan/multiplier.ts";
import { exactRequantization } from "../src/plan/requantization.ts";
import { IMPLEMENTATIONS, stepsOf } from "./support/implementations.ts";
import { kernelImage } from "./support/kernel-image.ts";
import { hasShared } from "./support/shared.ts";
import { loadVectors, type VectorCase, vectorFailures } from "./support/vectors.ts";

interface KernelCase {
  readonly call: KernelCall;
  readonly inputs: readonly Int8Array[];
  readonly expected: Int8Array;
}

/** Takes a record's fields out of a vector's, which have the same names but for those in `own`. */
function kernelCase(
  kernel: KernelName,
  vector: object,
  own: object,
  inputs: Int8Array[],
  expected: Int8Array,
): KernelCase {
  const from: Record<string, unknown> = { ...vector, ...own, input: { tensor: 0 }, input2: { tensor: 1 } };
  from.output = { tensor: inputs.length };
  const values = Object.fromEntries(Object.keys(KERNELS[kernel].fields).map((name) => [name, from[name]]));
  const missing = Object.keys(values).filter((name) => values[name] === undefined);
  if (missing.length > 0) throw new Error(`${kernel}: the vector has no ${missing.join(", ")}`);
  return { call: { kernel, values } as unknown as KernelCall, inputs, expected };
}

type Channels = Extract<VectorCase, { op: "conv2d" | "depthwiseConv2d" | "fullyConnected" }>["call"];

function channels(call: Channels, count: number) {
  const { multipliers, shifts, bias, weights, inputZeroPoint } = call;
  const isShared = multipliers.length < count && !("inputDepth" in call);
  const factors = Array.from(isShared ? { length: count } : multipliers, (_, c) => ({
    multiplier: multipliers[isShared ? 0 : c]!,
    shift: shifts[isShared ? 0 : c]!,
  }));
  return {
    requantization: exactRequantization(bias ?? new Int32Array(count), factors, {
      weights,
      order: "depthMultiplier" in call ? "channels last" : "channels first",
      inputZeroPoint,
      weightsZeroPoint: "weightsZeroPoint" in call ? call.weightsZeroPoint : 0,
    }),
  };
}

/** A vector as calls of the kernels that could serve it; none for the tables, which are tested on their own. */
function kernelCases(vector: VectorCase): KernelCase[] {
  switch (vector.op) {
    case "conv2d": {
      const { call, expected } = vector;
      const matrix = matrixFields(call.weights, call.outputChannels, call.groups);
      const own = { batch: call.batches, ...channels(call, call.outputChannels), ...matrix };
      const cases = [kernelCase("conv_s8", call, own, [call.input], expected)];
      const taps = call.kernelHeight * call.kernelWidth * call.strideHeight * call.strideWidth * call.groups;
      if (taps === 1 && call.padTop + call.padLeft === 0) {
        const pixels = call.batches * call.outputHeight * call.outputWidth;
        cases.push(kernelCase("pointwise_s8", call, { ...own, pixels }, [call.input], expected));
      }
      return cases;
    }
    case "depthwiseConv2d": {
      const { call, expected } = vector;
      const own = { batch: call.batches, ...channels(call, call.outputChannels) };
      return [kernelCase("depthwise_s8", call, own, [call.input], expected)];
    }
    case "fullyConnected": {
      const { call, expected } = vector;
      const own = {
        ...channels(call, call.outputDepth),
        weights: interleaved(call.weights, call.outputDepth),
        ...{ batch: call.batches, inputChannels: call.inputDepth, outputChannels: call.outputDepth },
      };
      return [kernelCase("fully_connected_s8", call, own, [call.input], expected)];
    }
    case "averagePool2d":
    case "maxPool2d": {
      const { call, expected } = vector;
      const own = { batch: call.batches, inputChannels: call.channels, outputChannels: call.channels };
      const kernel = vector.op === "maxPool2d" ? "max_pool_s8" : "avg_pool_s8";
      return [
        kernelCase(kernel, call, { ...own, dilationHeight: 1, dilationWidth: 1 }, [call.input], expected),
      ];
    }
    case "add": {
      const { call, expected } = vector;
      const own = {
        ...{
          ...flat(call),
          subtract: 0,
          multiplier1: call.input1Multiplier,
          multiplier2: call.input2Multiplier,
        },
        ...{ shift1: call.input1Shift, shift2: call.input2Shift },
      };
      const inputs = [call.input1, call.input2];
      const rounded = kernelCase("add_s8", call, { ...own, ...NO_LINEAR_SUM }, inputs, expected);
      const linear = solveLinearSum((rounded.call as KernelCallOf<"add_s8">).values);
      return [rounded, kernelCase("add_s8", call, { ...own, ...linear }, inputs, expected)];
    }
    case "mul": {
      const { call, expected } = vector;
      return [kernelCase("mul_s8", call, flat(call), [call.input1, call.input2], expected)];
    }
    case "softmax": {
      const { call, expected } = vector;
      const own = { multiplier: call.inputMultiplier, leftShift: call.inputLeftShift };
      return [kernelCase("softmax_s8", call, own, [call.input], expected)];
    }
    case "requantize": {
      // A fully connected layer whose accumulators are its biases: what comes out is the result, clamped.
      const { values, multipliers, shifts } = vector.call;
      const weights = new Int8Array(values.length);
      const factors = Array.from(multipliers, (multiplier, i) => ({ multiplier, shift: shifts[i]! }));
      const own = {
        ...{
          weights: interleaved(weights, values.length),
          requantization: exactRequantization(values, factors, {
            weights,
            order: "channels first",
            inputZeroPoint: 0,
          }),
        },
        ...{ batch: 1, inputChannels: 1, outputChannels: values.length, weightsZeroPoint: 0 },
        ...{ inputZeroPoint: 0, outputZeroPoint: 0, activationMin: -128, activationMax: 127 },
      };
      const expected = Int8Array.from(vector.expected, (y) => Math.min(127, Math.max(-128, y)));
      return [kernelCase("fully_connected_s8", {}, own, [new Int8Array(1)], expected)];
    }
    case "quantizeMultiplier":
      return [];
  }
}

function flat(call: { input1: Int8Array; input1ZeroPoint: number }) {
  const dimensions = { dim0: 1, dim1: 1, dim2: 1, dim3: call.input1.length, broadcast1: 0, broadcast2: 0 };
  return { ...dimensions, inputZeroPoint: call.input1ZeroPoint };
}

describe.skipIf(!hasShared)("vectors of the real kernels", () => {
  it("are all understood", () => {
    expect(vectorFailures()).toEqual([]);
    expect(loadVectors().length).toBeGreaterThan(0);
  });

  it.each(IMPLEMENTATIONS)("$name gives the expected bytes", async ({ runs }) => {
    const cases = loadVectors().flatMap((vector) =>
      kernelCases(vector).map((made) => ({ name: vector.name, ...made })),
    );
    const made = await stepsOf(
      { runs },
      cases.map(({ call, inputs, expected }) => {
        const sizes = inputs.map(({ length }) => length);
        return { inputs, image: kernelImage(call, sizes, expected.length) };
      }),
    );
    const wrong = cases.filter(({ expected }, i) => {
      const bytes = new Uint8Array(expected.buffer);
      return Buffer.compare(made[i]![0]!.stored, bytes) !== 0;
    });
    expect(cases.length).toBeGreaterThan(0);
    expect(wrong.map(({ name, call }) => `${name} (${call.kernel})`)).toEqual([]);
  });

  it("multipliers and requantisation at plan time", () => {
    for (const { op, call, expected } of loadVectors()) {
      if (op === "quantizeMultiplier") {
        const made = Array.from(call.inputScales, (scale, i) =>
          quantizeMultiplier((scale * call.weightScales[i]!) / call.outputScales[i]!),
        );
        expect(made.map((m) => m.multiplier)).toEqual([...expected.multipliers]);
        expect(made.map((m) => m.shift)).toEqual([...expected.shifts]);
      } else if (op === "requantize") {
        const made = Array.from(call.values, (x, i) =>
          requantize(x, { multiplier: call.multipliers[i]!, shift: call.shifts[i]! }),
        );
        expect(made).toEqual([...expected]);
      }
    }
  });
});
