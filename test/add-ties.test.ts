// ADD where the inputs' own rounding decides the output: a tie below zero, which rounds away from it.
import { expect, it } from "vitest";
import type { KernelCall } from "../src/plan/kernel-call.ts";
import { NO_LINEAR_SUM } from "../src/plan/linear-sum.ts";
import { add } from "./reference/elementwise.ts";
import { sumFactors } from "./reference/parameters.ts";
import { IMPLEMENTATIONS, stepsOf } from "./support/implementations.ts";
import { kernelImage } from "./support/kernel-image.ts";

/** Scales of both inputs and the output, zero points of the inputs, and the two elements: found by search. */
const CASES = [
  { scales: [0.52, 0.18, 0.16], zeroPoints: [-71, -44], elements: [-97, -52] },
  { scales: [0.45, 0.19, 0.44], zeroPoints: [68, -34], elements: [-22, -42] },
  { scales: [0.26, 0.61, 0.12], zeroPoints: [92, 12], elements: [-39, 52] },
  { scales: [0.75, 0.46, 0.1], zeroPoints: [-98, -69], elements: [-107, -74] },
] as const;

it.each(IMPLEMENTATIONS)("$name rounds inputs of ADD as the reference does", async ({ runs }) => {
  for (const { scales, zeroPoints, elements } of CASES) {
    const [scale1, scale2, outputScale] = scales.map(Math.fround) as [number, number, number];
    const factors = sumFactors("ADD", scale1, scale2, outputScale);
    const inputs = elements.map((element) => Int8Array.of(element));
    const range = { outputZeroPoint: 0, activationMin: -128, activationMax: 127 };
    const expected = add({
      ...{ ...factors, ...range, input1: inputs[0]!, input2: inputs[1]!, input1Shape: [1], input2Shape: [1] },
      ...{ input1ZeroPoint: zeroPoints[0], input2ZeroPoint: zeroPoints[1] },
    });
    const values = {
      ...{ ...range, ...NO_LINEAR_SUM, subtract: 0, broadcast1: 0, broadcast2: 0 },
      ...{ input: { tensor: 0 }, input2: { tensor: 1 }, output: { tensor: 2 } },
      ...{ dim0: 1, dim1: 1, dim2: 1, dim3: 1 },
      ...{ inputZeroPoint: zeroPoints[0], input2ZeroPoint: zeroPoints[1] },
      ...{ multiplier1: factors.input1Multiplier, shift1: factors.input1Shift },
      ...{ multiplier2: factors.input2Multiplier, shift2: factors.input2Shift },
      ...{ outputMultiplier: factors.outputMultiplier, outputShift: factors.outputShift },
    };
    const call: KernelCall = { kernel: "add_s8", values };
    const [steps] = await stepsOf({ runs }, [{ inputs, image: kernelImage(call, [1, 1], 1) }]);
    expect(new Int8Array(steps![0]!.stored)[0], JSON.stringify(scales)).toBe(expected[0]);
  }
});
