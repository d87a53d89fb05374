import { expect, test } from "vitest";
import { UNLABELLED } from "../../src/data/training-set.ts";
import { areaUnderCurve, partFigures } from "../../src/prune/score.ts";

test("the area under the curve is the share of pairs in the right order, ties half", () => {
  expect(areaUnderCurve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).toBe(0.75);
  expect(areaUnderCurve([1, 1, 1], [0, 1, 1])).toBe(0.5);
  expect(areaUnderCurve([3, 2, 9], [1, 0, UNLABELLED])).toBe(1);
  expect(areaUnderCurve([1, 2], [1, 1])).toBeNull();
});

test("accuracy and loss are of labelled examples, agreement of all", () => {
  const labels = Uint16Array.of(0, 1, 1, UNLABELLED, 0);
  const outputs = (classes: number[]) =>
    Float32Array.from(classes.flatMap((c) => (c === 0 ? [1, 0] : [0, 1])));
  const answers = (classes: number[]) => ({ float: outputs(classes), int8: outputs(classes), labels });
  const { float, labelled, count } = partFigures(answers([0, 0, 0, 1, 1]), answers([0, 1, 1, 0, 1]));
  expect([count, labelled]).toEqual([5, 4]);
  expect(float.accuracy).toBe(1 / 4);
  expect(float.agreement).toBe(2 / 5);
  // Two of four are lost; their variance is 1/2 - 1/4.
  expect(float.paired).toEqual({ loss: 0.5, error: Math.sqrt(0.25 / 4) });
});
