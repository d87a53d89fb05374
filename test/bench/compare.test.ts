import { expect, test } from "vitest";
import {
  compareMeasurements,
  type Measurement,
  readMeasurement,
  withMeasurement,
} from "../../src/bench/compare.ts";
import { formatComparison } from "../../src/bench/tables.ts";

const machine = { cpu: "a, 2 cores", node: "v20", v8: "11", platform: "linux x64" };

function measurement(times: Record<string, number>, options: { ceiling?: number; deviation?: number } = {}) {
  const { ceiling = 10, deviation = 0 } = options;
  return {
    mode: "kernels",
    machine,
    ceilings: [{ name: "multiply", microseconds: ceiling, deviation_microseconds: 0 }],
    results: Object.entries(times).map(([key, microseconds]) => ({
      key,
      microseconds,
      deviation_microseconds: microseconds * deviation,
    })),
  } satisfies Measurement;
}

test("what the machine itself became slower by is no difference of the code", () => {
  const { drift, rows } = compareMeasurements(
    measurement({ a: 100, b: 100, c: 100 }),
    measurement({ a: 120, b: 156, c: 90 }, { ceiling: 12 }),
  );
  expect(drift).toBeCloseTo(1.2, 12);
  expect(rows.map(({ key, verdict }) => [key, verdict])).toEqual([
    ["a", "same"],
    ["b", "slower"],
    ["c", "faster"],
  ]);
  expect(rows[1]).toMatchObject({ old_microseconds: 100, new_microseconds: 156, ratio: 1.56 });
  expect(rows[1]!.corrected_ratio).toBeCloseTo(1.3, 12);
});

test("a difference must exceed three deviations of both runs, and 4 %", () => {
  const verdict = (ratio: number, deviation: number) =>
    compareMeasurements(
      measurement({ a: 100 }, { deviation }),
      measurement({ a: 100 * ratio }, { deviation }),
    ).rows[0]!.verdict;
  expect([1.03, 1.05, 0.97, 0.95].map((ratio) => verdict(ratio, 0))).toEqual([
    "same",
    "slower",
    "same",
    "faster",
  ]);
  // Three times the square root of two times 3 %: 12.7 %.
  expect([1.12, 1.14, 0.9, 0.88].map((ratio) => verdict(ratio, 0.03))).toEqual([
    "same",
    "slower",
    "same",
    "faster",
  ]);
});

test("where the ceilings do not agree, a difference must exceed that too", () => {
  const old = measurement({ a: 100 });
  const [ceiling] = old.ceilings;
  const both = (microseconds: number) => ({
    ...measurement({ a: 113 }),
    ceilings: [ceiling!, { ...ceiling!, name: "depthwise", microseconds }],
  });
  const verdict = (microseconds: number) =>
    compareMeasurements({ ...both(10), results: old.results }, both(microseconds)).rows[0]!.verdict;
  expect(verdict(10)).toBe("slower");
  // A drift of 1.1, give or take 0.1: from 1.027 nothing can be said.
  expect(verdict(12)).toBe("same");
});

test("rows that only one has are named; another machine is told; nothing in common is an error", () => {
  const other = { ...measurement({ a: 1, c: 1 }), machine: { ...machine, node: "v24" } };
  const comparison = compareMeasurements(measurement({ a: 1, b: 1 }), other);
  expect(comparison).toMatchObject({ missing: ["b"], added: ["c"], same_machine: false });
  const text = formatComparison(comparison);
  expect(text).toMatch(/^a +1\.00 +1\.00 +1\.000 +1\.000 +± 4\.0 %$/m);
  expect(text).toContain("another machine");
  expect(() => compareMeasurements(measurement({ a: 1 }), measurement({ b: 1 }))).toThrow("none of the rows");
});

test("a baseline holds the last measurement of each kind", () => {
  const models = { ...measurement({ m: 1 }), mode: "models" } as const;
  const first = withMeasurement(null, "b.json", models);
  const second = withMeasurement(JSON.stringify(first), "b.json", measurement({ a: 1 }));
  const third = JSON.stringify(withMeasurement(JSON.stringify(second), "b.json", measurement({ a: 2 })));
  expect(readMeasurement(third, "b.json", "models")).toEqual(models);
  expect(readMeasurement(third, "b.json", "kernels")).toEqual(measurement({ a: 2 }));
  expect(readMeasurement(JSON.stringify(models), "m.json", "models")).toEqual(models);
});

test("other files are refused, by name", () => {
  const row = measurement({ a: 1 });
  const broken = { ...row, results: [{ key: "a", microseconds: "1" }] };
  const cases = [
    ["not JSON", "x.json: is no JSON"],
    ["[]", "x.json: holds no measurements"],
    ["{}", "x.json: no measurement of models there"],
    [JSON.stringify({ models: broken }), "x.json: no measurement of models there"],
    [JSON.stringify(row), "x.json: holds a measurement of kernels, not of models"],
  ] as const;
  for (const [text, message] of cases)
    expect(() => readMeasurement(text, "x.json", "models")).toThrow(message);
  expect(() => withMeasurement(JSON.stringify(row), "x.json", row)).toThrow("x.json: is no baseline");
});
