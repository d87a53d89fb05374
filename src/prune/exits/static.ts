/** Networks cut in depth, beside which an early-exit network must stand. */
import { join } from "node:path";
import { readWhole } from "../../data/files.ts";
import { ThumbnetError } from "../../errors.ts";
import { paretoFront } from "../../report/scatter.ts";
import type { DepthReport } from "../depth/report.ts";
import { REPORT_JSON } from "../depth/write-report.ts";
import { EXIT_COSTS, type ExitCostName } from "./costs.ts";
import type { Costs, TuneReport } from "./tune.ts";

export interface StaticNetwork {
  /** The cut's, `whole`, or that of an added network. */
  readonly name: string;
  /** Head and training; empty for a whole network. */
  readonly series: string;
  /** In int8, on the validation examples: mean and standard deviation over seeds. */
  readonly accuracy: number;
  readonly deviation: number;
  readonly costs: Costs;
}

/** A static network that no other static one is as cheap as and as accurate as, beside the exits. */
export interface Comparison {
  readonly cost: ExitCostName;
  readonly network: StaticNetwork;
  /** The best accuracy of exits at no higher mean cost; null: thresholds cannot make it that cheap. */
  readonly exits: number | null;
}

/**
 * The networks that `prune depth` left in a folder.
 *
 * @param byNetwork whether agreement with the whole network is wanted in place of accuracy
 * @throws ThumbnetError when the folder holds no report, or one of another data set
 */
export async function readStatic(folder: string, data: string, byNetwork: boolean): Promise<StaticNetwork[]> {
  const path = join(folder, REPORT_JSON);
  const fail = (problem: string) => new ThumbnetError(`${path}: ${problem}`);
  let report: DepthReport;
  try {
    report = JSON.parse(new TextDecoder().decode(await readWhole(path)));
  } catch (error) {
    if (error instanceof ThumbnetError) throw error;
    throw fail("is no report of thumbnet prune depth");
  }
  if (!Array.isArray(report?.entries)) throw fail("is no report of thumbnet prune depth");
  if (report.data !== data) throw fail(`is of the data set ${report.data}, not ${data}`);
  return report.entries.flatMap(({ name, series, costs, accuracy }) => {
    const form = accuracy.validation?.int8;
    if (form === undefined) return [];
    const right = byNetwork ? form.agreement : form.accuracy;
    const { macs, cycles } = costs;
    const { mean, deviation } = right ?? { mean: 1, deviation: 0 };
    return [{ name, series, accuracy: mean, deviation, costs: { macs, cycles } }];
  });
}

/** The Pareto front of static networks by a cost, from the cheapest. */
export function staticFront(networks: readonly StaticNetwork[], cost: ExitCostName): StaticNetwork[] {
  const points = networks.flatMap((network) => {
    const x = network.costs[cost];
    return x === null ? [] : [{ x, y: network.accuracy, network }];
  });
  return paretoFront(points).map(({ network }) => network);
}

/** The front of static networks, each beside the exits at its cost. */
export function compareWithStatic(
  { curves }: Pick<TuneReport, "curves">,
  networks: readonly StaticNetwork[],
): Comparison[] {
  return EXIT_COSTS.flatMap((cost) => {
    const curve = curves[cost];
    if (curve === null) return [];
    return staticFront(networks, cost).map((network): Comparison => {
      const cheaper = curve.filter((point) => point.cost <= network.costs[cost]!);
      const exits = cheaper.length === 0 ? null : Math.max(...cheaper.map(({ accuracy }) => accuracy));
      return { cost, network, exits };
    });
  });
}
