import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { TrainingSet } from "../../src/data/training-set.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { readNetwork } from "../../src/train/checkpoint.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import { type EpochReport, type TrainHooks, type TrainOptions, train } from "../../src/train/loop.ts";
import type { NetworkDescription } from "../../src/train/network/description.ts";
import { initialParameters } from "../../src/train/network/parameters.ts";
import { Network } from "../../src/train/network.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { SHORT_TRAINING, smallNetwork, stripeSet } from "../support/networks.ts";

const NETWORK = smallNetwork({
  stride: 2,
  blocks: [8],
  last: [{ kind: "dropout", name: "dropout", rate: 0.1 }],
});

const OPTIONS: TrainOptions = { ...SHORT_TRAINING, labelSmoothing: 0.05, weightDecay: 1e-4 };

let tf: Awaited<ReturnType<typeof trainingBackend>>["tf"];
const { fresh: newFolder } = temporaryFolder();

beforeAll(async () => {
  ({ tf } = await trainingBackend());
});

interface Run {
  readonly folder?: string;
  readonly options?: Partial<TrainOptions>;
  readonly data?: TrainingSet;
  readonly description?: NetworkDescription;
  readonly hooks?: TrainHooks;
}

/** Trains from the start or goes on; the state of everything at the end. */
async function run({ folder = newFolder(), data = stripeSet(), description = NETWORK, ...rest }: Run) {
  const network = new Network(description, initialParameters(description, 3));
  const reports: EpochReport[] = [];
  const hooks = { onEpoch: (report: EpochReport) => reports.push(report), ...rest.hooks };
  try {
    const result = await train(network, data, folder, { ...OPTIONS, ...rest.options }, hooks);
    return { folder, result, reports, parameters: network.parameters(), network };
  } finally {
    network.dispose();
  }
}

const bytes = (folder: string, file: string) => new Uint8Array(readFileSync(join(folder, file)));

test("learns, and keeps the network of the best validation", async () => {
  const { folder, result, reports } = await run({ options: { epochs: 12 } });
  expect(result.finished).toBe(true);
  expect(reports).toHaveLength(12);
  expect(reports.at(-1)!.loss).toBeLessThan(0.75 * reports[0]!.loss);
  expect(result.bestAccuracy).toBe(1);
  expect(result.bestAccuracy).toBe(Math.max(...reports.map((report) => report.validationAccuracy)));

  const best = await readNetwork(join(folder, "best.ckpt"));
  const network = new Network(best.description, best.parameters);
  expect(evaluate(network, stripeSet().validation).accuracy).toBe(result.bestAccuracy);
  network.dispose();
  const log = readFileSync(join(folder, "log.jsonl"), "utf8").trim().split("\n");
  expect(log.map((line) => JSON.parse(line).epoch)).toEqual(reports.map(({ epoch }) => epoch));
});

test("a run that is stopped and goes on ends as one that was never stopped", async () => {
  const whole = await run({});
  const controller = new AbortController();
  const stopped = await run({
    hooks: {
      signal: controller.signal,
      onStep: ({ epoch, step }) => {
        if (epoch === 3 && step === 2) controller.abort();
      },
    },
  });
  expect(stopped.result).toMatchObject({ finished: false, epochs: 3 });
  expect(bytes(stopped.folder, "last.ckpt")).not.toEqual(bytes(whole.folder, "last.ckpt"));
  const resumed = await run({ folder: stopped.folder });
  expect(resumed.reports.map(({ epoch }) => epoch)).toEqual([4, 5, 6]);
  expect(resumed.result).toEqual(whole.result);
  expect(resumed.parameters).toEqual(whole.parameters);
  for (const file of ["last.ckpt", "best.ckpt"]) {
    expect(bytes(resumed.folder, file)).toEqual(bytes(whole.folder, file));
  }
});

test("another seed gives another network", async () => {
  const [a, b] = [await run({}), await run({ options: { seed: 8 } })];
  expect(a.parameters).not.toEqual(b.parameters);
});

test("no tensors are left over", async () => {
  await run({ options: { epochs: 1 } });
  const before = tf.memory().numTensors;
  await run({ options: { epochs: 2 } });
  expect(tf.memory().numTensors).toBe(before);
});

test("stops when validation has not become better for a while", async () => {
  const data = stripeSet();
  // The more it learns, the more of these it gets wrong.
  const validation = { ...data.validation, labels: data.validation.labels.map((label) => 1 - label) };
  const options = { epochs: 40, patience: 3, average: 0 };
  const { result, reports } = await run({ data: { ...data, validation }, options });
  expect(result.finished).toBe(true);
  expect(result.epochs).toBeLessThan(40);
  expect(reports.length).toBe(result.bestEpoch + 3);
});

test("a loss that is not finite ends the run and leaves the checkpoint", async () => {
  let folder = newFolder();
  const data = stripeSet();
  let broken = false;
  const breaking: TrainingSet = {
    ...data,
    train: {
      ...data.train,
      write: (index, out, offset, variation) => {
        data.train.write(index, out, offset, variation);
        if (broken) out[offset] = Number.NaN;
      },
    },
  };
  const hooks = {
    onEpoch: ({ epoch }: EpochReport) => {
      broken = epoch === 2;
    },
  };
  await expect(run({ folder, data: breaking, hooks })).rejects.toThrow(
    /^the loss is NaN \(epoch 3, step 1 of 4, learning rate 0\.0\d+\): train with a lower rate into another folder; epochs kept in .*: 2$/,
  );
  broken = false;
  const resumed = await run({ folder });
  expect(resumed.reports[0]!.epoch).toBe(3);

  folder = join(newFolder(), "missing");
  await expect(run({ folder, options: { epochs: 1 } })).rejects.toThrow(/missing: no such file or folder/);
});

test("the folder of another run is refused, and what differs is said", async () => {
  const { folder } = await run({ options: { epochs: 1 } });
  await expect(run({ folder, options: { epochs: 1, seed: 9, batch: 8 } })).rejects.toThrow(
    /last\.ckpt: is of another run: options\.batch is 16, not 8; options\.seed is 7, not 9; choose another folder/,
  );
});

test("data that does not fit the network is refused", async () => {
  await expect(run({ data: stripeSet([8, 9, 1]) })).rejects.toThrow(
    "small: takes [8,8,1], the data set stripes has [8,9,1]",
  );
  await expect(run({ data: { ...stripeSet(), classes: ["a", "b", "c"] } })).rejects.toThrow(
    "small: has 2 classes, the data set stripes 3",
  );
  await expect(run({ options: { batch: 65 } })).rejects.toThrow(
    "stripes: has 64 training and 20 validation examples; a batch takes 65",
  );
});
