import { describe, expect, test } from "vitest";
import { Random } from "../../../src/data/random.ts";
import { UNLABELLED } from "../../../src/data/training-set.ts";
import { type ExitAnswers, outputAnswers, someAnswers } from "../../../src/prune/exits/answers.ts";
import { calibrationError, fitTemperature, probabilities } from "../../../src/prune/exits/calibrate.ts";
import {
  chooseThresholds,
  NEVER,
  type OperatingPoint,
  type Situation,
  ThresholdSearch,
} from "../../../src/prune/exits/thresholds.ts";

const CLASSES = 3;

/** Random answers: exits are right more often where they are confident, later ones more often than earlier ones. */
function randomAnswers(count: number, exits: number, seed: number): ExitAnswers {
  const random = new Random(seed);
  const labels = Uint16Array.from({ length: count }, () => random.integer(0, CLASSES - 1));
  const output = (skill: number) => {
    const top = new Uint16Array(count);
    const confidence = new Uint8Array(count);
    labels.forEach((label, i) => {
      confidence[i] = random.integer(86, 255);
      const isRight = random.unit() < skill * (0.5 + confidence[i]! / 510);
      // Class 0 is harder to tell early.
      top[i] =
        isRight && !(label === 0 && skill < 0.9 && confidence[i]! < 200)
          ? label
          : random.integer(0, CLASSES - 1);
    });
    return { top, confidence: { top: confidence, margin: confidence } };
  };
  const all = Array.from({ length: exits }, (_, i) => output(0.8 + 0.08 * i));
  return { count, classes: CLASSES, exits: all, final: output(1), labels, labelled: count };
}

const situation = (answers: ExitAnswers, options: Partial<Situation> = {}): Situation => ({
  answers,
  used: answers.exits.map((_, i) => i),
  criterion: "top",
  costs: [4, 7, 11].slice(3 - answers.exits.length - 1),
  perClass: false,
  ...options,
});

test("confidence is what the chip compares: top probability, margin, the first class on a tie", () => {
  const scores = Int8Array.from([-128, 127, -128, 5, -128, 5, -100, -90, -128]);
  const { top, confidence } = outputAnswers(scores, 3);
  expect([...top]).toEqual([1, 0, 1]);
  expect([...confidence.top]).toEqual([255, 133, 38]);
  expect([...confidence.margin]).toEqual([255, 0, 10]);
});

test("a point tells accuracy, mean cost and where inputs stop", () => {
  const of = (tops: number[], confidences: number[]) => ({
    top: Uint16Array.from(tops),
    confidence: { top: Uint8Array.from(confidences), margin: Uint8Array.from(confidences) },
  });
  const answers: ExitAnswers = {
    count: 4,
    classes: 3,
    exits: [of([0, 1, 2, 0], [200, 100, 200, 199])],
    final: of([1, 1, 2, 2], [255, 255, 255, 255]),
    labels: Uint16Array.from([0, 1, 1, 2]),
    labelled: 4,
  };
  const search = new ThresholdSearch(situation(answers, { costs: [3, 10] }));
  expect(search.at([[200]])).toEqual({
    thresholds: [[200]],
    accuracy: 3 / 4,
    cost: (2 * 3 + 2 * 10) / 4,
    rates: [0.5, 0.5],
  });
  expect(search.never()).toMatchObject({ accuracy: 2 / 4, cost: 10, rates: [0, 1] });
  const perClass = new ThresholdSearch(situation(answers, { costs: [3, 10], perClass: true }));
  expect(perClass.at([[NEVER, 1, 201]])).toMatchObject({ accuracy: 2 / 4, rates: [0.25, 0.75] });
});

describe("the search", () => {
  test("finds for one exit what trying every threshold finds", () => {
    const search = new ThresholdSearch(situation(randomAnswers(400, 1, 1)));
    const all = Array.from({ length: NEVER }, (_, i) => search.at([[i + 1]]));
    for (const atLeast of [0.75, 0.8, 0.85]) {
      const best = Math.min(...all.filter(({ accuracy }) => accuracy >= atLeast).map(({ cost }) => cost));
      expect(chooseThresholds(search, search.front(), { kind: "accuracy", atLeast })!.cost).toBe(best);
    }
    for (const atMost of [8, 9, 10]) {
      const best = Math.max(...all.filter(({ cost }) => cost <= atMost).map(({ accuracy }) => accuracy));
      expect(chooseThresholds(search, search.front(), { kind: "cost", atMost })!.accuracy).toBe(best);
    }
  });

  test("finds for two exits what trying all pairs finds", () => {
    const search = new ThresholdSearch(situation(randomAnswers(300, 2, 2)));
    const all: OperatingPoint[] = [];
    for (let a = 1; a <= NEVER; a++) for (let b = 1; b <= NEVER; b++) all.push(search.at([[a], [b]]));
    const atLeast = 0.82;
    const best = Math.min(...all.filter(({ accuracy }) => accuracy >= atLeast).map(({ cost }) => cost));
    const found = chooseThresholds(search, search.front(), { kind: "accuracy", atLeast })!;
    expect(found.cost).toBeCloseTo(best, 9);
    expect(found.accuracy).toBeGreaterThanOrEqual(atLeast);
    const front = search.front();
    const missed = all.filter(
      (one) => !front.some(({ accuracy, cost }) => accuracy >= one.accuracy && cost <= one.cost + 1e-9),
    );
    expect(missed).toEqual([]);
  });

  test("a threshold for each class is at least as good as one for all", () => {
    const answers = randomAnswers(400, 1, 3);
    const target = { kind: "accuracy", atLeast: 0.84 } as const;
    const cost = (perClass: boolean) => {
      const search = new ThresholdSearch(situation(answers, { perClass }));
      const point = chooseThresholds(search, search.front(), target)!;
      expect(point.thresholds[0]).toHaveLength(perClass ? CLASSES : 1);
      expect(point.accuracy).toBeGreaterThanOrEqual(0.84);
      return point.cost;
    };
    expect(cost(true)).toBeLessThan(cost(false));
  });

  test("a higher price never makes it dearer, and its points are a Pareto front", () => {
    const search = new ThresholdSearch(situation(randomAnswers(300, 2, 4)));
    const costs = [0, 0.001, 0.01, 0.05, 0.2, 10].map((price) => search.byPrice(price).cost);
    expect(costs).toEqual([...costs].sort((a, b) => b - a));
    expect(costs.at(-1)).toBe(4);
    const front = search.front();
    front.slice(1).forEach((point, i) => {
      expect(point.cost).toBeGreaterThan(front[i]!.cost);
      expect(point.accuracy).toBeGreaterThan(front[i]!.accuracy);
    });
  });

  test("says where nothing fulfils the target", () => {
    const search = new ThresholdSearch(situation(randomAnswers(100, 1, 5)));
    expect(chooseThresholds(search, search.front(), { kind: "accuracy", atLeast: 1 })).toBeNull();
    expect(chooseThresholds(search, search.front(), { kind: "cost", atMost: 6.9 })).toBeNull();
  });

  test("sees only the examples that it is given", () => {
    const answers = randomAnswers(50, 2, 6);
    const some = someAnswers(answers, [3, 17, 40]);
    expect(some.count).toBe(3);
    expect([...some.labels]).toEqual([3, 17, 40].map((i) => answers.labels[i]));
    expect([...some.exits[1]!.confidence.top]).toEqual(
      [3, 17, 40].map((i) => answers.exits[1]!.confidence.top[i]),
    );
  });
});

describe("calibration", () => {
  /** Logits whose softmax at the temperature tells how often each label comes. */
  function sample(temperature: number, count: number) {
    const random = new Random(7);
    const logits = Float32Array.from({ length: count * CLASSES }, () => 3 * random.normal());
    const real = probabilities(logits, CLASSES, temperature);
    const labels = Uint16Array.from({ length: count }, (_, i) => {
      const at = random.unit();
      if (at < real[i * CLASSES]!) return 0;
      return at < real[i * CLASSES]! + real[i * CLASSES + 1]! ? 1 : 2;
    });
    return { logits, labels };
  }

  test("finds the temperature that labels were drawn with, and makes the error small", () => {
    for (const temperature of [0.5, 1, 2.5]) {
      const { logits, labels } = sample(temperature, 4000);
      const found = fitTemperature(logits, labels);
      expect(Math.abs(Math.log(found / temperature))).toBeLessThan(0.08);
      expect(calibrationError(logits, labels, found)!).toBeLessThan(0.02);
      if (temperature > 2) expect(calibrationError(logits, labels, 1)!).toBeGreaterThan(0.1);
    }
  });

  test("counts labelled examples only", () => {
    const { logits, labels } = sample(2, 2000);
    const half = labels.map((label, i) => (i % 2 === 0 ? label : UNLABELLED));
    const rows = (from: Float32Array) => from.filter((_, i) => Math.floor(i / CLASSES) % 2 === 0);
    const even = labels.filter((_, i) => i % 2 === 0);
    expect(fitTemperature(logits, half)).toBe(fitTemperature(rows(logits), even));
    expect(calibrationError(logits, half, 1)).toBeCloseTo(calibrationError(rows(logits), even, 1)!, 12);
    const none = labels.map(() => UNLABELLED);
    expect([fitTemperature(logits, none), calibrationError(logits, none, 1)]).toEqual([1, null]);
  });
});
