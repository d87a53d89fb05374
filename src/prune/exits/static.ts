/** Networks without exits, beside which an early-exit network must stand: measured as it is, on the same examples. */
import { basename, dirname, join } from "node:path";
import { isFile, isFolder, readWhole } from "../../data/files.ts";
import { topClass } from "../../data/top-class.ts";
import { inputsOf, type TrainingSet } from "../../data/training-set.ts";
import { ThumbnetError } from "../../errors.ts";
import { graphFromTflite } from "../../graph/from-tflite.ts";
import { elementCount } from "../../graph/shape.ts";
import { type Spread, spread } from "../../report/spread.ts";
import { loadModel } from "../../runtime/load.ts";
import { readTflite } from "../../tflite/read.ts";
import { INT8_FILE } from "../../train/exported-files.ts";
import { type FoundRecord, readRecords } from "../depth/records.ts";
import { seriesOf } from "../depth/report.ts";
import { type Costs, checkFit, meanCosts, operatorCosts, withEnergy } from "./costs.ts";

/** Networks that one line joins; `whole` and `other` are of none. */
export type StaticSeries = string;
export const WHOLE_SERIES = "whole networks, trained without exits";
export const OTHER_SERIES = "other networks";

/** Int8 files of a network, which differ by seed. */
export interface StaticSource {
  /** Of the whole network, the cut, the added network or the file. */
  readonly name: string;
  readonly series: StaticSeries;
  readonly files: readonly string[];
}

export interface StaticNetwork {
  readonly name: string;
  readonly series: StaticSeries;
  /** In int8, on the validation examples. */
  readonly accuracy: Spread;
  /** Mean over seeds. */
  readonly costs: Costs;
}

function sourceOf({ folder, record }: FoundRecord, network: string): StaticSource {
  const files = [join(folder, INT8_FILE)];
  if (record.kind === "whole") return { name: network, series: WHOLE_SERIES, files };
  if (record.kind === "added") return { name: record.name, series: OTHER_SERIES, files };
  return { name: record.cut, series: `${network} cut: ${seriesOf(record)}`, files };
}

/**
 * The networks that `prune depth` left in a folder, or one int8 `.tflite` file.
 *
 * @throws ThumbnetError when there is neither
 */
export async function findStatic(path: string): Promise<StaticSource[]> {
  if (await isFile(path)) {
    const name = `${basename(dirname(path))}/${basename(path, ".tflite")}`;
    return [{ name, series: OTHER_SERIES, files: [path] }];
  }
  const records = (await isFolder(path)) ? await readRecords(path) : [];
  const whole = records.find(({ record }) => record.kind === "whole")?.record;
  if (whole?.kind !== "whole") throw new ThumbnetError(`${path}: holds no results of thumbnet prune depth`);
  const groups = new Map<string, StaticSource>();
  for (const found of records) {
    const source = sourceOf(found, whole.network);
    const key = JSON.stringify([source.series, source.name]);
    const files = [...(groups.get(key)?.files ?? []), ...source.files];
    groups.set(key, { ...source, files });
  }
  return [...groups.values()];
}

interface Measured {
  readonly accuracy: number;
  readonly costs: Costs;
}

async function measureFile(
  path: string,
  { validation, ...data }: TrainingSet,
  labels: readonly Uint16Array[],
  onExample: () => void,
): Promise<Measured> {
  const bytes = await readWhole(path);
  const graph = graphFromTflite(readTflite(bytes, path), path);
  if (graph.exits?.length)
    throw new ThumbnetError(`${path}: has early exits; --static takes networks without`);
  checkFit(graph, { ...data, validation });
  const elements = elementCount(data.inputShape);
  const model = await loadModel(bytes, { name: path });
  let right = 0;
  try {
    for (let i = 0; i < validation.count; i++) {
      const top = topClass(model.run(inputsOf(validation, [i], elements)));
      right += labels.filter((own) => own[i] === top).length;
      onExample();
    }
  } finally {
    model.dispose();
  }
  const { costs } = operatorCosts(graph, bytes, inputsOf(validation, [0], elements));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return {
    accuracy: right / validation.count / labels.length,
    costs: withEnergy(sum(costs.macs), costs.cycles && sum(costs.cycles)),
  };
}

/**
 * Runs static networks on validation examples, and one of these on the emulated chip.
 *
 * @param labels the classes that count as right; of several lists the mean is taken
 * @param onExample called after each example of each file, for progress
 * @throws ThumbnetError when a file is no int8 network that fits the data, or has exits
 */
export async function measureStatic(
  sources: readonly StaticSource[],
  data: TrainingSet,
  labels: readonly Uint16Array[],
  onExample: () => void = () => {},
): Promise<StaticNetwork[]> {
  const networks: StaticNetwork[] = [];
  for (const { name, series, files } of sources) {
    const measured: Measured[] = [];
    for (const file of files) measured.push(await measureFile(file, data, labels, onExample));
    const accuracy = spread(measured.map((one) => one.accuracy));
    networks.push({ name, series, accuracy, costs: meanCosts(measured.map(({ costs }) => costs)) });
  }
  return networks;
}
