/** Early exits beside static networks: who is more accurate at no higher cost. */
import { paretoFront } from "../../report/scatter.ts";
import { type Costs, EXIT_COSTS, type ExitCostName } from "./costs.ts";
import type { StaticNetwork } from "./static.ts";

/** What a mean cost buys: from here on, up to the next step, this accuracy. */
export interface CurveStep {
  readonly cost: number;
  readonly accuracy: number;
}

export type Curves = Readonly<Record<ExitCostName, readonly CurveStep[] | null>>;

/** A static network on the Pareto front of the static ones, beside the exits. */
export interface Comparison {
  readonly cost: ExitCostName;
  readonly network: StaticNetwork;
  /** The best accuracy of exits at no higher mean cost; null: thresholds cannot make it that cheap. */
  readonly exits: number | null;
}

/** Exits beside all static networks, by a cost. */
export interface Standing {
  readonly cost: ExitCostName;
  /** The most accurate static network at no higher cost than exits as tuned; null: none is that cheap. */
  readonly rival: StaticNetwork | null;
  /** The mean cost from which on exits are not less accurate than any static network as cheap; null: they always are. */
  readonly from: number | null;
  /** The cheapest static network that is more accurate than exits at any cost: there it ends. Null: there is none. */
  readonly to: StaticNetwork | null;
}

/** The accuracy at a cost; null where it is below that of the cheapest step. */
function accuracyAt(curve: readonly CurveStep[], cost: number): number | null {
  return curve.findLast((step) => step.cost <= cost)?.accuracy ?? null;
}

/** The mean over runs, from where all have a value on. @param curves each from its cheapest step */
export function meanCurve(curves: readonly (readonly CurveStep[])[]): CurveStep[] {
  const first = Math.max(...curves.map((curve) => curve[0]!.cost));
  const costs = [...new Set(curves.flatMap((curve) => curve.map(({ cost }) => cost)))];
  return costs
    .filter((cost) => cost >= first)
    .sort((a, b) => a - b)
    .map((cost) => {
      const sum = curves.reduce((total, curve) => total + accuracyAt(curve, cost)!, 0);
      return { cost, accuracy: sum / curves.length };
    });
}

/** The Pareto front of static networks by a cost, from the cheapest. */
export function staticFront(networks: readonly StaticNetwork[], cost: ExitCostName): StaticNetwork[] {
  const points = networks.flatMap((network) => {
    const x = network.costs[cost];
    return x === null ? [] : [{ x, y: network.accuracy.mean, network }];
  });
  return paretoFront(points).map(({ network }) => network);
}

/** The front of static networks, each beside the exits at its cost. */
export function compareWithStatic(curves: Curves, networks: readonly StaticNetwork[]): Comparison[] {
  return EXIT_COSTS.flatMap((cost) => {
    const curve = curves[cost];
    if (curve === null) return [];
    return staticFront(networks, cost).map((network) => ({
      cost,
      network,
      exits: accuracyAt(curve, network.costs[cost]!),
    }));
  });
}

/** By each cost that both have. @param tuned mean cost of exits with the thresholds that were chosen */
export function standings(curves: Curves, tuned: Costs, networks: readonly StaticNetwork[]): Standing[] {
  return EXIT_COSTS.flatMap((cost): Standing[] => {
    const [curve, front] = [curves[cost], staticFront(networks, cost)];
    if (curve === null || front.length === 0) return [];
    const rival = front.findLast(({ costs }) => costs[cost]! <= tuned[cost]!) ?? null;
    const best = curve.at(-1)!.accuracy;
    const to = front.find(({ accuracy }) => accuracy.mean > best) ?? null;
    // Both only rise: after the last static network that exits are behind, they have to come up with it.
    const ahead = front.findLast(({ costs, accuracy }) => {
      const own = accuracyAt(curve, costs[cost]!) ?? Number.NEGATIVE_INFINITY;
      return accuracy.mean <= best && own < accuracy.mean;
    });
    const needed = ahead?.accuracy.mean ?? Number.NEGATIVE_INFINITY;
    const from = curve.find(({ accuracy }) => accuracy >= needed)!.cost;
    const isNowhere = to !== null && to.costs[cost]! <= from;
    return [{ cost, rival, from: isNowhere ? null : from, to }];
  });
}
