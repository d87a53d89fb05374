import { describe, expect, test } from "vitest";
import { UNLABELLED } from "../../src/data/training-set.ts";
import { areaUnderCurve, decisionThreshold, partFigures, thresholdsOf } from "../../src/prune/score.ts";

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

describe("a decision threshold", () => {
  test("parts both classes best, though one has many more examples", () => {
    const scores = [1, 5, 2, 3, 4, 7, 8, 9, 10];
    const labels = [0, 0, 1, 1, 1, 1, 1, 1, 1];
    // Above 6: both of class 0 and four of seven of class 1. Above 1.5 more are right, eight of nine.
    expect(decisionThreshold(scores, labels)).toBe(6);
  });

  test("is 0, as without one, where that is as good", () => {
    expect(decisionThreshold([-3, -2, 5, 6], [0, 0, 1, 1])).toBe(0);
    expect(decisionThreshold([-3, 1, 2, 6], [0, 0, 1, 1])).toBe(1.5);
    expect(decisionThreshold([2, 2, 2], [0, 1, 1])).not.toBeNull();
    expect(decisionThreshold([1, 2], [1, 1])).toBeNull();
    expect(decisionThreshold([1, 9, 2], [0, UNLABELLED, 1])).toBe(1.5);
  });

  test("decides the class; each network has its own, and forms too", () => {
    const labels = Uint16Array.of(0, 0, 1, 1);
    const answers = (scores: number[], thresholds: { float: number; int8: number }) => {
      const outputs = Float32Array.from(scores.flatMap((score) => [0, score]));
      return { float: outputs, int8: outputs, labels, thresholds };
    };
    const reference = answers([-1, 3, 4, 5], { float: 3.5, int8: 0 });
    const { float, int8 } = partFigures(answers([1, 2, 3, 0.5], { float: 2.5, int8: 0 }), reference);
    expect(float.accuracy).toBe(0.5);
    expect(float.atThreshold).toMatchObject({ threshold: 2.5, accuracy: 0.75, paired: { loss: 0.25 } });
    expect(int8.atThreshold).toMatchObject({ threshold: 0, accuracy: 0.5, paired: { loss: 0.25 } });
    const outputs = Float32Array.of(1, 0, 0, 1);
    expect(thresholdsOf({ float: outputs, int8: outputs, labels: Uint16Array.of(0, 1) })).toEqual({
      float: 0,
      int8: 0,
    });
  });
});
