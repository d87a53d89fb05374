import { expect, test } from "vitest";
import { type CurveStep, type Curves, meanCurve, standings } from "../../../src/prune/exits/compare.ts";
import { withEnergy } from "../../../src/prune/exits/costs.ts";
import type { StaticNetwork } from "../../../src/prune/exits/static.ts";
import { spread } from "../../../src/report/spread.ts";

const curve = (...steps: [cost: number, accuracy: number][]): CurveStep[] =>
  steps.map(([cost, accuracy]) => ({ cost, accuracy }));

const network = (name: string, cost: number, accuracy: number): StaticNetwork => ({
  name,
  series: "",
  accuracy: spread([accuracy]),
  costs: withEnergy(cost, null),
});

test("the mean of curves steps where one does, from where all have begun", () => {
  const a = curve([10, 0.5], [20, 0.7], [40, 0.8]);
  const b = curve([15, 0.6], [40, 0.9]);
  expect(meanCurve([a])).toEqual(a);
  expect(meanCurve([a, b]).map(({ cost }) => cost)).toEqual([15, 20, 40]);
  const wanted = [0.55, 0.65, 0.85];
  meanCurve([a, b]).forEach(({ accuracy }, i) => {
    expect(accuracy).toBeCloseTo(wanted[i]!, 12);
  });
});

test("exits stand above static networks from where on none is better at no higher cost", () => {
  const curves: Curves = { macs: curve([10, 0.5], [20, 0.7], [40, 0.8]), cycles: null };
  const standing = (tuned: number, ...networks: StaticNetwork[]) =>
    standings(curves, withEnergy(tuned, null), networks).map(({ cost, rival, from, to }) => [
      cost,
      rival?.name ?? null,
      from,
      to?.name ?? null,
    ]);
  expect(standing(20)).toEqual([]);
  expect(standing(20, network("weak", 12, 0.4))).toEqual([["macs", "weak", 10, null]]);
  // Cheaper than any exits, and better than their cheapest: they have to come up with it.
  expect(standing(20, network("small", 5, 0.6))).toEqual([["macs", "small", 20, null]]);
  expect(standing(20, network("as good", 20, 0.7))).toEqual([["macs", "as good", 10, null]]);
  expect(standing(20, network("small", 5, 0.7))).toEqual([["macs", "small", 20, null]]);
  expect(standing(20, network("small", 5, 0.6), network("large", 21, 0.75))).toEqual([
    ["macs", "small", 40, null],
  ]);
  expect(standing(20, network("level", 100, 0.8))).toEqual([["macs", null, 10, null]]);
  // What is better than all exits ends where they stand above.
  expect(standing(4, network("small", 5, 0.6), network("best", 100, 0.81))).toEqual([
    ["macs", null, 20, "best"],
  ]);
  expect(standing(20, network("best", 15, 0.81))).toEqual([["macs", "best", 10, "best"]]);
  expect(standing(20, network("best", 5, 0.81))).toEqual([["macs", "best", null, "best"]]);
});
