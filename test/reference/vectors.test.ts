import { describe, expect, test } from "vitest";
import { hasShared } from "../support/shared.ts";
import { loadVectors, type VectorCase, vectorFailures } from "../support/vectors.ts";
import { quantizeMultiplier, requantize, requantizeExact } from "./arithmetic.ts";
import { add, mul } from "./elementwise.ts";
import { softmax } from "./softmax.ts";
import { averagePool2d, conv2d, depthwiseConv2d, fullyConnected, maxPool2d } from "./windows.ts";

function run(vector: VectorCase): unknown {
  switch (vector.op) {
    case "conv2d":
      return conv2d(vector.call);
    case "depthwiseConv2d":
      return depthwiseConv2d(vector.call);
    case "fullyConnected":
      return fullyConnected(vector.call);
    case "averagePool2d":
      return averagePool2d(vector.call);
    case "maxPool2d":
      return maxPool2d(vector.call);
    case "add":
      return add(vector.call);
    case "mul":
      return mul(vector.call);
    case "softmax":
      return softmax(vector.call);
    case "requantize": {
      const { values, multipliers, shifts } = vector.call;
      const results = values.map((value, i) => requantize(value, multipliers[i]!, shifts[i]!));
      expect(values.map((value, i) => requantizeExact(value, multipliers[i]!, shifts[i]!))).toEqual(results);
      return results;
    }
    case "quantizeMultiplier": {
      const { inputScales, weightScales, outputScales } = vector.call;
      const results = Array.from(inputScales, (scale, i) =>
        quantizeMultiplier((scale * weightScales[i]!) / outputScales[i]!),
      );
      return {
        multipliers: Int32Array.from(results, ({ multiplier }) => multiplier),
        shifts: Int32Array.from(results, ({ shift }) => shift),
      };
    }
  }
}

describe.skipIf(!hasShared)("vectors of the real kernels", () => {
  const cases = hasShared ? loadVectors() : [];

  test("every vector is understood", () => {
    expect(vectorFailures()).toEqual([]);
    expect(cases.length).toBeGreaterThan(0);
  });

  test.each(cases.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
    expect(run(vector)).toEqual(vector.expected);
  });
});
