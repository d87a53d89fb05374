import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../../src/data/random.ts";
import { topClass } from "../../../src/data/top-class.ts";
import { type TrainingSet, UNLABELLED } from "../../../src/data/training-set.ts";
import { finalOutput } from "../../../src/graph/exits.ts";
import { withExits } from "../../../src/graph/rewrites/exits.ts";
import { tfliteFromGraph } from "../../../src/graph/to-tflite.ts";
import type { PlainNetwork } from "../../../src/prune/depth/cut-network.ts";
import { withEnergy } from "../../../src/prune/exits/costs.ts";
import { exitReport } from "../../../src/prune/exits/report.ts";
import { exitReportPage } from "../../../src/prune/exits/report-html.ts";
import { costLines } from "../../../src/prune/exits/report-text.ts";
import { findStatic, measureStatic, type StaticNetwork } from "../../../src/prune/exits/static.ts";
import {
  type ExitTrainHooks,
  type ExitTrainOptions,
  trainExits,
} from "../../../src/prune/exits/train-exits.ts";
import { type TuneOptions, tuneExits } from "../../../src/prune/exits/tune.ts";
import { drawExamples } from "../../../src/quantize/from-set.ts";
import { quantizeGraph } from "../../../src/quantize/quantize.ts";
import { spread } from "../../../src/report/spread.ts";
import { loadModel } from "../../../src/runtime/load.ts";
import { writeTflite } from "../../../src/tflite/write.ts";
import { trainingBackend } from "../../../src/train/backend.ts";
import { graphFromNetwork } from "../../../src/train/network/to-graph.ts";
import {
  randomParameters,
  SHORT_TRAINING,
  smallNetwork,
  stripeSet,
  stripes,
} from "../../support/networks.ts";

const NETWORK = smallNetwork();
const PLAIN = { description: NETWORK, parameters: randomParameters(NETWORK, 5) };
const DATA = stripeSet();

const OPTIONS: ExitTrainOptions = {
  exits: [
    { cut: "conv1", head: "8s2" },
    { cut: "block1", head: "8" },
  ],
  weight: 1,
  frozen: false,
  trunkRate: 1,
  dropout: 0,
  lesson: null,
  train: { ...SHORT_TRAINING, seed: 1, schedule: { kind: "cosine", rate: 0.02, warmup: 1 } },
  cacheBytes: 2 ** 24,
};

const folders: string[] = [];
beforeAll(async () => {
  await trainingBackend();
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

const newFolder = () => {
  folders.push(mkdtempSync(join(tmpdir(), "thumbnet-exits-")));
  return folders.at(-1)!;
};

const run = (
  options: Partial<ExitTrainOptions> = {},
  { data = DATA, out = newFolder(), ...hooks }: ExitTrainHooks & { data?: TrainingSet; out?: string } = {},
) => trainExits(PLAIN, null, data, out, { ...OPTIONS, ...options }, hooks);

const trunk = ({ parameters }: Pick<PlainNetwork, "parameters">) =>
  [...parameters].filter(([name]) => !name.startsWith("exit"));
const log = (folder: string) =>
  readFileSync(join(folder, "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Quantised, as a file. */
function int8(plain: PlainNetwork): Uint8Array {
  const calibration = drawExamples(DATA, 30, new Random(1));
  return writeTflite(
    tfliteFromGraph(quantizeGraph(graphFromNetwork(plain.description, plain.parameters), calibration)),
  );
}

describe("training", () => {
  test("a network that learns with its exits gets better in all of them", async () => {
    const out = newFolder();
    const trained = (await run({}, { out }))!;
    expect(trunk(trained.plain)).not.toEqual(trunk(PLAIN));
    const epochs = log(join(out, "training"));
    expect(epochs).toHaveLength(6);
    expect(epochs.at(-1).validationAccuracy).toBeGreaterThan(0.9);
    expect(trained.calibration).toHaveLength(3);
    const { temperature, exits } = trained.plain.description;
    expect([temperature, ...exits!.map((exit) => exit.temperature)]).toEqual(
      trained.calibration.map((one) => one.temperature),
    );
  });

  test("a frozen network stays as it was to the last bit; each exit learns alone", async () => {
    const out = newFolder();
    const trained = (await run({ frozen: true, lesson: { temperature: 2, share: 0 } }, { out }))!;
    expect(trunk(trained.plain)).toEqual(trunk(PLAIN));
    for (const [i, exit] of ["exit0", "exit1"].entries()) {
      const accuracies = log(join(out, exit, "training")).map((epoch) => epoch.validationAccuracy);
      expect(accuracies.at(-1)).toBeGreaterThan(0.8);
      expect(trained.calibration[i + 1]!.accuracy).toBeCloseTo(Math.max(...accuracies), 10);
    }
    const alone = (await run({
      frozen: true,
      lesson: { temperature: 2, share: 0 },
      exits: [OPTIONS.exits[1]!],
    }))!;
    const second = ({ parameters }: PlainNetwork, name: string) =>
      [...parameters].flatMap(([key, { values }]) => (key.startsWith(name) ? [[key.slice(5), values]] : []));
    expect(second(alone.plain, "exit0")).toEqual(second(trained.plain, "exit1"));
  });

  test("goes on where it was stopped, and ends as if it had never been", async () => {
    const [whole, stopped] = [(await run())!, newFolder()];
    const controller = new AbortController();
    const hooks = {
      signal: controller.signal,
      onEpoch: (_: number, __: number, { epoch }: { epoch: number }) => {
        if (epoch === 3) controller.abort();
      },
    };
    expect(await run({}, { ...hooks, out: stopped })).toBeNull();
    expect(log(join(stopped, "training"))).toHaveLength(3);
    const resumed = (await run({}, { out: stopped }))!;
    expect(resumed.plain).toEqual(whole.plain);
    await expect(run({ weight: 0.5 }, { out: stopped })).rejects.toThrow(/another run/);
  });

  test("refuses what it cannot train", async () => {
    await expect(run({ exits: [] })).rejects.toThrow("small: no exits are asked for");
    await expect(run({ exits: [{ cut: "block9", head: "8" }] })).rejects.toThrow(
      /no cut "block9"; there are: conv1/,
    );
    await expect(run({ exits: [{ cut: "conv1", head: "x" }] })).rejects.toThrow(/no head "x"/);
    const train = {
      ...DATA.train,
      labels: DATA.train.labels.map((label, i) => (i === 0 ? UNLABELLED : label)),
    };
    await expect(run({}, { data: { ...DATA, train } })).rejects.toThrow(/only a teacher can answer/);
  });
});

describe("tuning", () => {
  const TUNE: TuneOptions = {
    target: { kind: "loss", loss: 0 },
    criterion: "top",
    perClass: false,
    byNetwork: false,
    seed: 1,
  };
  /** Examples that are hard to tell, so that exits differ. */
  const hard = { ...DATA, validation: noisy(200) };
  let file: Uint8Array;
  beforeAll(async () => {
    // Heads that learn little, so that the last answer is the best.
    const weak = [
      { cut: "conv1", head: "2s2" },
      { cut: "block1", head: "2" },
    ];
    file = int8((await run({ exits: weak, weight: 0.1 }))!.plain);
  });

  function noisy(count: number) {
    const examples = stripes([8, 8, 1], count, 9);
    return {
      ...examples,
      write: (index: number, out: Float32Array, offset: number) =>
        examples.write(index, out, offset, { random: new Random(4, index), strength: 6 }),
    };
  }

  test("reports what the file does, by an evaluation of its own", async () => {
    const target = { kind: "loss", loss: 0.02 } as const;
    const options = { ...TUNE, target, byNetwork: true, perClass: true };
    const { graph, report, bytes } = await tuneExits(file, "small.tflite", hard, options);
    expect(report.examples).toBe(200);
    expect(report.loss).toBeLessThanOrEqual(0.02 + 1e-9);
    const rates = report.stops.map(({ rate }) => rate);
    expect(rates.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    for (const cost of ["macs", "cycles"] as const) {
      const mean = report.stops.reduce((sum, stop) => sum + stop.rate * stop.costs[cost]!, 0);
      expect(report.mean[cost]).toBeCloseTo(mean, 6);
      expect(report.worst[cost]).toBe(report.stops.at(-1)!.costs[cost]);
      expect(report.whole.costs[cost]).toBeLessThan(report.worst[cost]!);
    }
    expect(graph.exits!.map(({ thresholds }) => thresholds)).toEqual(
      report.stops.slice(0, -1).map(({ thresholds }) => thresholds),
    );
    expect(graph.tensors[finalOutput(graph)]!.name).toBe("probabilities");
    // The file itself, and the whole network as a file of its own.
    const models = await Promise.all(
      [bytes, writeTflite(tfliteFromGraph(withExits(graph, [])))].map((file) => loadModel(file)),
    );
    const tops = models.map((): number[] => []);
    const stops = report.stops.map(() => 0);
    for (let i = 0; i < 200; i++) {
      const input = new Float32Array(64);
      hard.validation.write(i, input, 0);
      const answers = models.map((model) => model.run(input, {}));
      answers.forEach(({ output }, k) => {
        tops[k]!.push(topClass(output));
      });
      stops[answers[0]!.exits[0]!]!++;
    }
    const [own, whole] = tops;
    expect(report.accuracy).toBe(own!.filter((top, i) => top === whole![i]).length / 200);
    expect(Math.min(...stops)).toBeGreaterThan(0);
    expect(rates).toEqual(stops.map((count) => count / 200));
  });

  test("thresholds are the better the more loss is allowed, and fit a mean cost", async () => {
    const tuned = async (target: TuneOptions["target"]) =>
      (await tuneExits(file, "small.tflite", hard, { ...TUNE, byNetwork: true, target })).report;
    const [strict, lax] = [await tuned({ kind: "loss", loss: 0 }), await tuned({ kind: "loss", loss: 0.1 })];
    expect(lax.mean.cycles).toBeLessThan(strict.mean.cycles!);
    const middle = (lax.mean.macs! + strict.mean.macs!) / 2;
    const cheap = await tuned({ kind: "macs", mean: middle });
    expect(cheap.cost).toBe("macs");
    expect(cheap.mean.macs).toBeLessThanOrEqual(middle);
    await expect(tuned({ kind: "macs", mean: 10 })).rejects.toThrow(
      /no thresholds cost a mean of 10 macs; the first exit/,
    );
    await expect(tuned({ kind: "accuracy", accuracy: 1.1 })).rejects.toThrow(
      /no thresholds reach an accuracy of 110.00 %/,
    );
  });

  test("judged by the network, the network itself is always right", async () => {
    const labels = new Uint16Array(200).fill(UNLABELLED);
    const blind = { ...hard, validation: { ...hard.validation, labels } };
    const { report } = await tuneExits(file, "small.tflite", blind, TUNE);
    const same = await tuneExits(file, "small.tflite", hard, { ...TUNE, byNetwork: true });
    expect(report.whole.accuracy).toBe(1);
    expect([report.labelled, same.report.labelled]).toEqual([0, 0]);
    expect({ ...same.report, labelled: 0 }).toEqual(report);
  });

  test("stands beside static networks in table and plot", async () => {
    const { report: own } = await tuneExits(file, "small.tflite", hard, TUNE);
    const at = (share: number) => Math.round(share * own.whole.costs.macs!);
    const of = (name: string, accuracy: number, macs: number): StaticNetwork => ({
      ...{ name, series: "<8>, frozen", accuracy: spread([accuracy]), costs: withEnergy(macs, null) },
    });
    const statics = [of("better", 1, at(1.2)), of("none", 0.4, 1), of("beaten", 0.5, at(1.3))];
    const report = exitReport([own], statics, "thumbnet exits tune");
    const best = Math.max(
      ...own.curves.macs!.filter(({ cost }) => cost <= at(1.2)).map(({ accuracy }) => accuracy),
    );
    expect(report.comparison).toEqual([
      { cost: "macs", network: statics[1], exits: null },
      { cost: "macs", network: statics[0], exits: best },
    ]);
    expect(own.mean.microjoules! / own.mean.cycles!).toBeCloseTo(0.00066, 9);
    const page = exitReportPage(report);
    expect(page).toContain("&lt;8&gt;, frozen");
    expect(page).toContain("cheaper than any");
    expect(page).toMatch(/By MACs: at or above the Pareto front of .* on, up to better at [\d,]+ MACs/);
    expect(page).toMatch(/µJ: [\d,]+ .* on average, [\d,]+ .* at worst/);
    const macs = (factor: number) => ({ ...own.mean, macs: Math.round(factor * own.whole.costs.macs!) });
    const lines = [0.9, 1].map(
      (factor) => costLines(exitReport([{ ...own, mean: macs(factor) }], [], ""))[0],
    );
    expect(lines[0]).toMatch(/without exits$/);
    expect(lines[1]).toMatch(/without exits, these exits save nothing$/);
    expect(page.match(/<svg viewBox="0 0 560/g)).toHaveLength(2);
  });

  test("static files are measured on the same examples, and cost what they do without exits", async () => {
    const { report, labels, graph } = await tuneExits(file, "small.tflite", hard, {
      ...TUNE,
      byNetwork: true,
    });
    const path = join(newFolder(), "plain.tflite");
    writeFileSync(path, writeTflite(tfliteFromGraph(withExits(graph, []))));
    const [source] = await findStatic(path);
    const half = labels.map((label, i) => (i % 2 === 0 ? label : 1 - label));
    const measure = (...all: Uint16Array[]) => measureStatic([source!], hard, all);
    const [same] = await measure(labels);
    expect(same!.accuracy.mean).toBe(1);
    expect(same!.costs.macs).toBe(report.whole.costs.macs);
    expect((await measure(labels, half))[0]!.accuracy.mean).toBe(0.75);
    writeFileSync(path, file);
    await expect(measure(labels)).rejects.toThrow("plain.tflite: has early exits");
  });

  test("refuses a model without exits, or other data", async () => {
    const plain = writeTflite(
      tfliteFromGraph(
        quantizeGraph(graphFromNetwork(NETWORK, PLAIN.parameters), drawExamples(DATA, 5, new Random(1))),
      ),
    );
    await expect(tuneExits(plain, "plain.tflite", hard, TUNE)).rejects.toThrow("plain.tflite: has no exits");
    const other = { ...hard, inputShape: [4, 4, 1] as const };
    await expect(tuneExits(file, "small.tflite", other, TUNE)).rejects.toThrow(
      /takes \[1,8,8,1\], the data set stripes has/,
    );
    await expect(tuneExits(file, "small.tflite", { ...hard, classes: ["a"] }, TUNE)).rejects.toThrow(
      /gives 2 classes/,
    );
  });
});
