/** The report of tuned exits as plain data: of one network, or of several that differ by seed. */
import { ENERGY_ASSUMPTION } from "../../mcu/energy.ts";
import { optionalSpread, type Spread, spread } from "../../report/spread.ts";
import {
  type Comparison,
  type Curves,
  compareWithStatic,
  meanCurve,
  type Standing,
  standings,
} from "./compare.ts";
import { type Costs, type ExitCostName, meanCosts } from "./costs.ts";
import type { StaticNetwork } from "./static.ts";
import type { TuneReport } from "./tune.ts";

/** Costs of each run. */
export type CostSpreads = Readonly<Record<keyof Costs, Spread | null>>;

/** Over all runs. */
export interface Overall {
  /** Without exits. */
  readonly wholeAccuracy: Spread;
  readonly accuracy: Spread;
  /** Against the whole network of the same run. */
  readonly loss: Spread;
  readonly mean: CostSpreads;
  readonly worst: CostSpreads;
  /** Without exits. */
  readonly whole: CostSpreads;
  /** See `TuneReport`; null where a run has none. */
  readonly heldOut: { readonly loss: Spread; readonly mean: CostSpreads } | null;
}

/** All that a report shows. */
export interface ExitReport {
  readonly runs: readonly TuneReport[];
  readonly overall: Overall;
  /** The mean of all runs' curves. */
  readonly curves: Curves;
  readonly statics: readonly StaticNetwork[];
  readonly comparison: readonly Comparison[];
  readonly standings: readonly Standing[];
  /** What `microjoules` stands for. */
  readonly energyAssumption: string;
  readonly command: string;
}

const costSpreads = (all: readonly Costs[]): CostSpreads => ({
  macs: optionalSpread(all.map(({ macs }) => macs)),
  cycles: optionalSpread(all.map(({ cycles }) => cycles)),
  microjoules: optionalSpread(all.map(({ microjoules }) => microjoules)),
});

function overallOf(runs: readonly TuneReport[]): Overall {
  const heldOut = runs.flatMap((run) => run.heldOut ?? []);
  return {
    wholeAccuracy: spread(runs.map(({ whole }) => whole.accuracy)),
    accuracy: spread(runs.map(({ accuracy }) => accuracy)),
    loss: spread(runs.map(({ loss }) => loss)),
    mean: costSpreads(runs.map(({ mean }) => mean)),
    worst: costSpreads(runs.map(({ worst }) => worst)),
    whole: costSpreads(runs.map(({ whole }) => whole.costs)),
    heldOut:
      heldOut.length < runs.length
        ? null
        : {
            loss: spread(heldOut.map(({ loss }) => loss)),
            mean: costSpreads(heldOut.map(({ mean }) => mean)),
          },
  };
}

/** @param runs at least one, on the same data and with the same target */
export function exitReport(
  runs: readonly TuneReport[],
  statics: readonly StaticNetwork[],
  command: string,
): ExitReport {
  const curve = (cost: ExitCostName) => {
    const all = runs.flatMap(({ curves }) => (curves[cost] ? [curves[cost]] : []));
    return all.length < runs.length ? null : meanCurve(all);
  };
  const curves = { macs: curve("macs"), cycles: curve("cycles") };
  return {
    runs,
    overall: overallOf(runs),
    curves,
    statics,
    comparison: compareWithStatic(curves, statics),
    standings: standings(curves, meanCosts(runs.map(({ mean }) => mean)), statics),
    energyAssumption: ENERGY_ASSUMPTION,
    command,
  };
}
