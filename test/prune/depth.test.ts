import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type DepthHooks, type DepthOptions, pruneDepth } from "../../src/prune/depth/depth.ts";
import { NO_VARIANT, Preparer } from "../../src/prune/depth/features.ts";
import { writeDepthReport } from "../../src/prune/depth/write-report.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { readNetwork } from "../../src/train/checkpoint.ts";
import { type TrainOptions, train } from "../../src/train/loop.ts";
import { Network } from "../../src/train/network.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { randomParameters, SHORT_TRAINING, smallNetwork, stripeSet } from "../support/networks.ts";

const NETWORK = smallNetwork();
const PLAIN = { description: NETWORK, parameters: randomParameters(NETWORK, 5) };

const OPTIONS: DepthOptions = {
  cuts: ["block1"],
  heads: ["8"],
  dropout: 0,
  frozen: true,
  tailRate: 0.5,
  lesson: null,
  train: { ...SHORT_TRAINING, epochs: 4, seed: 1, schedule: { kind: "cosine", rate: 0.02, warmup: 1 } },
  cacheBytes: 2 ** 24,
  measure: { quantize: {}, calibration: 20, seed: 1, parts: ["validation"] },
};

const { fresh: newFolder } = temporaryFolder();
beforeAll(async () => {
  await trainingBackend();
});

async function prune(options: Partial<DepthOptions>, hooks: DepthHooks = {}, out = newFolder()) {
  const isDone = await pruneDepth(PLAIN, null, stripeSet(), out, { ...OPTIONS, ...options }, hooks);
  return { out, isDone };
}

const tailOf = async (path: string) =>
  [...(await readNetwork(path)).parameters].filter(([name]) => /^(conv1|block1)/.test(name));
const ORIGINAL = [...PLAIN.parameters].filter(([name]) => /^(conv1|block1)/.test(name));

/** All that a training left. */
const lastOf = (out: string, result: string) => readFileSync(join(out, result, "training/last.ckpt"));

test("a frozen tail stays as it was to the last bit, one that is not frozen learns", async () => {
  const frozen = await prune({});
  expect(await tailOf(join(frozen.out, "block1-8-frozen-seed1/best.ckpt"))).toEqual(ORIGINAL);
  const unfrozen = await prune({ frozen: false });
  const learnt = await tailOf(join(unfrozen.out, "block1-8-unfrozen-seed1/best.ckpt"));
  expect(learnt.map(([name]) => name)).toEqual(ORIGINAL.map(([name]) => name));
  expect(learnt).not.toEqual(ORIGINAL);
});

test("the rate of a tail that learns is the factor times that of the head", async () => {
  const { out } = await prune({ frozen: false, tailRate: 0 });
  const path = join(out, "block1-8-unfrozen-seed1/best.ckpt");
  const isWeight = ([name]: readonly [string, unknown]) => name.endsWith("/weights");
  expect((await tailOf(path)).filter(isWeight)).toEqual(ORIGINAL.filter(isWeight));
});

test("features kept for all epochs give the same training as features computed anew", async () => {
  const still = {
    train: { ...OPTIONS.train, augmentation: 0 },
    lesson: { temperature: 2, share: 0.5, similarity: 1 },
  };
  const kept = await prune(still);
  const anew = await prune({ ...still, cacheBytes: 0 });
  const [first, second] = [kept, anew].map(({ out }) => lastOf(out, "block1-8-frozen-distilled-seed1"));
  expect(first!.equals(second!)).toBe(true);
});

describe("variants", () => {
  const taught = { lesson: { temperature: 2, share: 0.5, similarity: 1 } };

  async function losses(options: Partial<DepthOptions>, train: Partial<TrainOptions>): Promise<number[]> {
    const { out } = await prune({ ...taught, ...options, train: { ...OPTIONS.train, mix: 0.5, ...train } });
    const [result] = readdirSync(out).filter((name) => name.startsWith("block1"));
    const log = readFileSync(join(out, result!, "training/log.jsonl"), "utf8")
      .trim()
      .split("\n");
    return log.map((line) => (JSON.parse(line) as { loss: number }).loss);
  }

  test("come again after so many epochs", async () => {
    for (const frozen of [true, false]) {
      const [one, two] = [
        await losses({ frozen }, { variants: 1 }),
        await losses({ frozen }, { variants: 2 }),
      ];
      expect(two).toHaveLength(OPTIONS.train.epochs);
      expect(two[0]).toBe(one[0]);
      expect(two[1]).not.toBe(one[1]);
    }
  });

  test("of a tail that learns keep what the teacher answers, and nothing else changes", async () => {
    const forward = vi.spyOn(Network.prototype, "forward");
    const all = await losses({ frozen: false }, { epochs: 2, variants: 2 });
    const fresh = forward.mock.calls.length;
    forward.mockClear();
    expect(await losses({ frozen: false }, { epochs: 2, variants: 0 })).toEqual(all);
    expect(forward.mock.calls.length).toBe(fresh);
    forward.mockClear();
    await losses({ frozen: false }, { epochs: 4, variants: 0 });
    const anew = forward.mock.calls.length;
    forward.mockClear();
    await losses({ frozen: false }, { epochs: 4, variants: 2 });
    expect(forward.mock.calls.length).toBeLessThan(anew);
    forward.mockRestore();
  });

  test("of a frozen tail are seen by it once", async () => {
    const forward = vi.spyOn(Network.prototype, "forward");
    const callsOf = async (train: Partial<TrainOptions>) => {
      forward.mockClear();
      await losses({ frozen: true }, { epochs: 4, ...train });
      return forward.mock.calls.length;
    };
    const anew = await callsOf({ variants: 0 });
    const [two, four] = [await callsOf({ variants: 2 }), await callsOf({ variants: 4 })];
    expect(two).toBeLessThan(four);
    expect(four).toBeLessThanOrEqual(anew);
    forward.mockRestore();
  });

  test("of a frozen tail are seen by it once for all heads on a cut, and no head learns otherwise", async () => {
    const features = vi.spyOn(Preparer.prototype, "examples");
    const train = { ...OPTIONS.train, mix: 0.5, variants: 2 };
    const preparedFor = async (heads: string[]) => {
      features.mockClear();
      const { out } = await prune({ ...taught, cuts: ["conv1", "block1"], heads, train });
      // Those of training examples; validation examples are no variant.
      const calls = features.mock.calls.filter(([, , variant]) => variant !== NO_VARIANT).length;
      const head = heads.at(-1)!.replace(",", "_");
      return { calls, last: lastOf(out, `block1-${head}-frozen-distilled-seed1`) };
    };
    const alone = await preparedFor(["8,8"]);
    const second = await preparedFor(["8", "8,8"]);
    expect(alone.calls).toBe(4);
    expect(second.calls).toBe(4);
    expect(second.last.equals(alone.last)).toBe(true);
    features.mockRestore();
  });

  test("of tails that learn are answered by the teacher once for all heads and cuts", async () => {
    const forward = vi.spyOn(Network.prototype, "forward");
    const train = { ...OPTIONS.train, epochs: 2, variants: 2 };
    const callsFor = async (cuts: string[]) => {
      forward.mockClear();
      const { out } = await prune({ ...taught, cuts, frozen: false, train });
      const last = lastOf(out, `${cuts.at(-1)}-8-unfrozen-distilled-seed1`);
      return { calls: forward.mock.calls.length, last };
    };
    const [first, alone] = [await callsFor(["conv1"]), await callsFor(["block1"])];
    const both = await callsFor(["conv1", "block1"]);
    const batches = Math.floor(stripeSet().train.count / train.batch);
    // Nor is the whole network measured again.
    expect(first.calls + alone.calls - both.calls).toBeGreaterThanOrEqual(2 * train.epochs * batches);
    expect(both.last.equals(alone.last)).toBe(true);
    forward.mockRestore();
  });

  test("of a frozen tail need memory", async () => {
    const train = { ...OPTIONS.train, variants: 2 };
    await expect(prune({ train, cacheBytes: 1000 })).rejects.toThrow(
      /stripes: features after block1: 2 variants of \d+ examples need 1 MiB, 0 MiB may be used/,
    );
  });
});

test("a run over all cuts that was stopped goes on, and results that are there stay", async () => {
  const all = { cuts: ["all"], heads: ["8", "dense"] };
  const whole = await prune(all);
  const controller = new AbortController();
  const stopped = await prune(all, {
    signal: controller.signal,
    onEpoch: ({ index }, { epoch }) => {
      if (index === 1 && epoch === 2) controller.abort();
    },
  });
  expect([whole.isDone, stopped.isDone]).toEqual([true, false]);
  const trained: string[] = [];
  const measured: string[] = [];
  const hooks: DepthHooks = {
    onEpoch: ({ name }, { epoch }) => trained.push(`${name}/${epoch}`),
    onMeasure: (name) => measured.push(name),
  };
  const resumed = await prune(all, hooks, stopped.out);
  expect(measured).not.toContain("conv1-8-frozen-seed1");
  expect(measured).toContain("conv1-dense-frozen-seed1");
  expect(resumed.isDone).toBe(true);
  expect(trained.slice(0, 3)).toEqual([
    "conv1-dense-frozen-seed1/3",
    "conv1-dense-frozen-seed1/4",
    "block1-8-frozen-seed1/1",
  ]);
  for (const name of ["conv1-8", "conv1-dense", "block1-8", "block1-dense"]) {
    const file = `${name}-frozen-seed1/best.ckpt`;
    expect(readFileSync(join(stopped.out, file)).equals(readFileSync(join(whole.out, file)))).toBe(true);
  }
});

test("runs of several seeds become one entry of the report, beside the whole network", async () => {
  const { out } = await prune({ heads: ["4"] });
  await prune({ heads: ["4"], train: { ...OPTIONS.train, seed: 2 } }, {}, out);
  const report = await writeDepthReport(out);
  expect(report.entries.map(({ name, seeds }) => [name, seeds])).toEqual([
    ["whole", []],
    ["block1", [1, 2]],
  ]);
  const [whole, cut] = report.entries;
  expect(cut!.costs.cycles).toBeLessThan(whole!.costs.cycles!);
  const { float } = cut!.accuracy.validation!;
  const [a, b] = float.accuracy.values as [number, number];
  expect(float.accuracy.mean).toBeCloseTo((a + b) / 2, 12);
  expect(float.loss!.mean).toBeCloseTo(whole!.accuracy.validation!.float.accuracy.mean - (a + b) / 2, 6);
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page.match(/<svg viewBox="0 0 560/g)).toHaveLength(6);
  expect(page).not.toMatch(/<script|https?:\/\/|src=/);
  expect(existsSync(join(out, "block1-4-frozen-seed2/int8.tflite"))).toBe(true);
});

describe("another whole network as reference", () => {
  const cutFile = "block1-8-frozen-seed1/best.ckpt";

  test("losses are counted against it, and the cut is the model's own", async () => {
    const trained = new Network(NETWORK, PLAIN.parameters, "reference/");
    await train(trained, stripeSet(), newFolder(), OPTIONS.train);
    const reference = { ...PLAIN, parameters: trained.parameters() };
    trained.dispose();
    const { out } = await prune({});
    const { entries: alone, isReference } = await writeDepthReport(out);
    expect(isReference).toBe(false);
    const { parameters } = await readNetwork(join(out, cutFile));
    const state = lastOf(out, "block1-8-frozen-seed1");
    const epochs: number[] = [];
    const hooks: DepthHooks = { onEpoch: (_, { epoch }) => epochs.push(epoch) };
    await pruneDepth(PLAIN, null, stripeSet(), out, OPTIONS, hooks, { reference });
    // What was trained already is only measured again.
    expect(epochs).toEqual([]);
    expect(lastOf(out, "block1-8-frozen-seed1").equals(state)).toBe(true);
    expect((await readNetwork(join(out, cutFile))).parameters).toEqual(parameters);
    const report = await writeDepthReport(out);
    expect(report.isReference).toBe(true);
    const accuracies = report.entries.map(({ accuracy }) => accuracy.validation!.float);
    const other = newFolder();
    await pruneDepth(reference, null, stripeSet(), other, OPTIONS);
    const [theirs] = (await writeDepthReport(other)).entries;
    expect(accuracies[0]).toEqual(theirs!.accuracy.validation!.float);
    expect(accuracies[1]!.accuracy).toEqual(alone[1]!.accuracy.validation!.float.accuracy);
    expect(accuracies[1]!.loss!.mean).toBeCloseTo(
      accuracies[0]!.accuracy.mean - accuracies[1]!.accuracy.mean,
      6,
    );
    expect(accuracies[1]!.loss).not.toEqual(alone[1]!.accuracy.validation!.float.loss);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("not the network that was cut");
  });

  test("cuts of several networks stand beside it; what was counted against another one is left out", async () => {
    const [first, second, reference] = [1, 2, 3].map((seed) => ({
      ...PLAIN,
      parameters: randomParameters(NETWORK, 40 + seed),
    }));
    const out = newFolder();
    const cut = (network: typeof first, kind: string, other = reference) =>
      pruneDepth(network!, null, stripeSet(), out, { ...OPTIONS, heads: [kind] }, {}, { reference: other! });
    const names = async () => (await writeDepthReport(out)).entries.map(({ series }) => series);
    await cut(first, "8");
    await cut(second, "6");
    const report = await writeDepthReport(out);
    expect(await names()).toEqual(["", "6, frozen", "8, frozen"]);
    const [whole, ...others] = report.entries.map(({ accuracy }) => accuracy.validation!.float);
    for (const { accuracy, loss } of others) {
      expect(loss!.mean).toBeCloseTo(whole!.accuracy.mean - accuracy.mean, 6);
    }
    await cut(second, "6", first);
    expect(await names()).toEqual(["", "6, frozen"]);
    await cut(first, "8", first);
    expect(await names()).toEqual(["", "6, frozen", "8, frozen"]);
    expect((await writeDepthReport(out)).isReference).toBe(true);
    await expect(pruneDepth(second!, null, stripeSet(), out, OPTIONS)).rejects.toThrow(
      /holds results of another network or data set; choose another folder$/,
    );
  });

  test("it must have the same layers", async () => {
    const description = smallNetwork({ filters: 6 });
    const wider = { description, parameters: randomParameters(description, 1) };
    await expect(
      pruneDepth(PLAIN, null, stripeSet(), newFolder(), OPTIONS, {}, { reference: wider }),
    ).rejects.toThrow(/losses are counted against the same network$/);
  });
});

test("folders of networks that differ by seed become one report of means, each cut beside its own", async () => {
  const folders = [newFolder(), newFolder()];
  for (const [i, out] of folders.entries()) {
    const plain = { ...PLAIN, parameters: randomParameters(NETWORK, 20 + i) };
    await pruneDepth(plain, null, stripeSet(), out, OPTIONS);
  }
  const each = await Promise.all(folders.map((out) => writeDepthReport(out)));
  const merged = join(newFolder(), "merged");
  const report = await writeDepthReport(merged, folders);
  expect(report.entries.map(({ name }) => name)).toEqual(["whole", "block1"]);
  for (const [e, entry] of report.entries.entries()) {
    const values = each.map(({ entries }) => entries[e]!.accuracy.validation!.float);
    const { accuracy, loss } = entry.accuracy.validation!.float;
    expect(accuracy.values).toEqual(values.flatMap((one) => one.accuracy.values));
    if (e > 0) expect(loss!.values).toEqual(values.flatMap((one) => one.loss!.values));
  }
  expect(report.entries[1]!.seeds).toEqual([1, 1]);
  expect(existsSync(join(merged, "report.html"))).toBe(true);

  await expect(writeDepthReport(merged, [folders[0]!, newFolder()])).rejects.toThrow(
    /holds no result of a whole network; give folders of prune depth$/,
  );
  const { out: otherwise } = await prune({ measure: { ...OPTIONS.measure, calibration: 19 } });
  await expect(writeDepthReport(merged, [folders[0]!, otherwise])).rejects.toThrow(
    /differs from .* in how it was measured: .*"calibration":19.* and .*"calibration":20/,
  );
});

test("a folder of another network, and a data set of other classes, are refused", async () => {
  const { out } = await prune({});
  const other = { ...PLAIN, parameters: randomParameters(NETWORK, 6) };
  await expect(pruneDepth(other, null, stripeSet(), out, OPTIONS)).rejects.toThrow(
    /holds results of another network/,
  );
  const three = { ...stripeSet(), classes: ["a", "b", "c"] };
  await expect(pruneDepth(PLAIN, null, three, out, OPTIONS)).rejects.toThrow(
    "small: has 2 classes, the data set stripes 3",
  );
});
