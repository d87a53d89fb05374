import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  blockEnergies,
  keptBlocks,
  layerAdaptiveScores,
  parseBlock,
  SKIPPED_BLOCK,
  tfliteLayout,
  trainingLayout,
  zeroBlockShare,
} from "../../src/prune/magnitude/blocks.ts";
import {
  type MagnitudeOptions,
  MagnitudePruner,
  prunedWeights,
  rampedSparsity,
} from "../../src/prune/magnitude/pruner.ts";
import { layerSparsities } from "../../src/prune/magnitude/sparsity.ts";
import { quantizeOnSet } from "../../src/quantize/from-set.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { readNetwork } from "../../src/train/checkpoint.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import { type TrainHooks, type TrainOptions, train } from "../../src/train/loop.ts";
import { initialParameters, type Parameters } from "../../src/train/network/parameters.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { Network } from "../../src/train/network.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { SHORT_TRAINING, smallNetwork, stripeSet } from "../support/networks.ts";

const NETWORK = smallNetwork({ stride: 2, blocks: [16, 16] });

const STEPS = 4;

const PRUNING: MagnitudeOptions = {
  sparsity: 0.75,
  block: { outputs: 1, inputs: 1 },
  scope: "layer",
  firstLayer: false,
  ramp: 3,
  every: 2,
};

const { fresh: newFolder } = temporaryFolder();
beforeAll(async () => {
  await trainingBackend();
});

interface Run {
  readonly pruning?: Partial<MagnitudeOptions>;
  readonly training?: Partial<TrainOptions>;
  readonly folder?: string;
  readonly from?: Parameters;
  readonly hooks?: TrainHooks;
}

async function prune({ pruning, training, folder = newFolder(), from, hooks }: Run) {
  const network = new Network(NETWORK, from ?? initialParameters(NETWORK, 3));
  const pruner = new MagnitudePruner(network, { ...PRUNING, ...pruning }, STEPS);
  try {
    const options = { ...SHORT_TRAINING, ...training };
    const result = await train(network, stripeSet(), folder, options, { ...hooks, constraint: pruner });
    return { folder, result, last: network.parameters() };
  } finally {
    pruner.dispose();
    network.dispose();
  }
}

const zeroShare = (values: Float32Array) => values.filter((value) => value === 0).length / values.length;
const best = async (folder: string) => (await readNetwork(join(folder, "best.ckpt"))).parameters;

describe("blocks", () => {
  test("lie the same in both layouts of weights", () => {
    // [KH,KW,C,O] = [2,3,3,10]: rows of 9 inputs, so blocks of 2 go on into the next pixel.
    const shape = [2, 3, 3, 10];
    const layout = trainingLayout(shape, SKIPPED_BLOCK);
    const exported = tfliteLayout([10, 2, 3, 3], SKIPPED_BLOCK);
    expect(layout.sizes).toEqual(exported.sizes);
    expect([...layout.sizes].sort((a, b) => b - a).slice(0, 9)).toEqual([...Array(8).fill(16), 8]);
    for (let o = 0; o < 10; o++) {
      for (let i = 0; i < 18; i++) expect(exported.blockOf[o * 18 + i]).toBe(layout.blockOf[i * 10 + o]);
    }
    // The same block: outputs 0 and 7, inputs 2 and 3 of a row; another one: output 8, the next pair, the next row.
    const at = (row: number, position: number, output: number) =>
      layout.blockOf[(row * 9 + position) * 10 + output];
    expect(at(0, 2, 0)).toBe(at(0, 3, 7));
    expect(new Set([at(0, 2, 0), at(0, 2, 8), at(0, 4, 0), at(1, 2, 0)]).size).toBe(4);
    expect(trainingLayout([6, 4], { outputs: 2, inputs: 3 }).sizes).toEqual(new Uint32Array(4).fill(6));
  });

  test("energy is the mean square, whatever the size of a block", () => {
    const layout = trainingLayout([3, 1], { outputs: 1, inputs: 2 });
    expect(blockEnergies([3, -1, 2], layout)).toEqual(Float64Array.of(5, 4));
    expect(zeroBlockShare([0, 0, 2], layout)).toBe(0.5);
  });

  test("the least go, and no layer goes altogether", () => {
    const sizes = (count: number) => new Uint32Array(count).fill(4);
    const scores = Float64Array.of(5, 1, 4, 2);
    expect(keptBlocks([{ scores, sizes: sizes(4) }], 0.5)).toEqual([Uint8Array.of(1, 0, 1, 0)]);
    const small = Float64Array.of(0.1, 0.2);
    expect(
      keptBlocks(
        [
          { scores, sizes: sizes(4) },
          { scores: small, sizes: sizes(2) },
        ],
        0.67,
      ),
    ).toEqual([Uint8Array.of(1, 0, 0, 0), Uint8Array.of(0, 1)]);
  });

  test("layer-adaptive scores do not see the scale of a layer", () => {
    const energies = Float64Array.of(1, 4, 2, 9);
    expect(layerAdaptiveScores(energies)).toEqual(Float64Array.of(1 / 16, 4 / 13, 2 / 15, 1));
    expect(layerAdaptiveScores(energies.map((e) => 64 * e))).toEqual(layerAdaptiveScores(energies));
    expect(layerAdaptiveScores(new Float64Array(2))).toEqual(new Float64Array(2));
  });

  test("are read from text", () => {
    expect(parseBlock("8x2")).toEqual(SKIPPED_BLOCK);
    for (const text of ["8", "0x2", "8x2x1", "-1x2", "1.5x2"]) {
      expect(() => parseBlock(text)).toThrow(`"${text}" is no block`);
    }
  });
});

describe("what is pruned", () => {
  test("convolutions and dense layers, the first only when asked", () => {
    const names = (firstLayer: boolean) => prunedWeights(NETWORK, firstLayer).map(({ name }) => name);
    expect(names(false)).toEqual(["block1/pointwise/weights", "block2/pointwise/weights", "dense/weights"]);
    expect(names(true)).toEqual(["conv1/weights", ...names(false)]);
  });

  test("sparsity rises along a cubic to its end", () => {
    expect([0, 0.5, 1, 2].map((t) => rampedSparsity(0.8, t))).toEqual([0, 0.8 * 0.875, 0.8, 0.8]);
  });

  test("options that make no sense are refused", () => {
    const network = new Network(NETWORK, initialParameters(NETWORK, 3));
    for (const wrong of [{ sparsity: 1 }, { sparsity: Number.NaN }, { ramp: 0 }, { every: 0 }]) {
      expect(() => new MagnitudePruner(network, { ...PRUNING, ...wrong }, STEPS)).toThrow(
        /^small: (a sparsity of|sparsity rises) /,
      );
    }
    network.dispose();
  });
});

describe("pruning while training", () => {
  test("zeros are as many as asked for, in the best network and in the last, and it still learns", async () => {
    const { folder, result, last } = await prune({ training: { epochs: 12 } });
    expect(result.bestAccuracy).toBeGreaterThan(0.9);
    expect(result.bestEpoch).toBeGreaterThanOrEqual(PRUNING.ramp);
    for (const parameters of [await best(folder), last]) {
      for (const { name } of prunedWeights(NETWORK, false)) {
        expect(zeroShare(parameters.get(name)!.values), name).toBeCloseTo(0.75, 2);
      }
      for (const name of ["conv1/weights", "block1/depthwise/weights"]) {
        expect(zeroShare(parameters.get(name)!.values), name).toBe(0);
      }
    }
    // The average of weights has its zeros where the weights have theirs.
    const { values } = (await best(folder)).get("block2/pointwise/weights")!;
    last.get("block2/pointwise/weights")!.values.forEach((value, i) => {
      expect(values[i] === 0).toBe(value === 0);
    });
  });

  test("no network counts as the best before the ramp has ended", async () => {
    const { result } = await prune({ pruning: { ramp: 5 }, training: { patience: 1 } });
    expect(result.bestEpoch).toBeGreaterThanOrEqual(5);
    expect(result.epochs).toBe(6);
  });

  test("blocks, with one threshold for all layers, stay zero in the int8 model", async () => {
    const pruning = { block: SKIPPED_BLOCK, scope: "global" as const, sparsity: 0.5 };
    const { folder } = await prune({ pruning });
    const parameters = await best(folder);
    let [zero, all] = [0, 0];
    for (const { name, shape } of prunedWeights(NETWORK, false)) {
      const { values } = parameters.get(name)!;
      // Where a weight is zero, so is its whole block.
      expect(zeroBlockShare(values, trainingLayout(shape, SKIPPED_BLOCK))).toBeCloseTo(zeroShare(values), 2);
      zero += zeroShare(values) * values.length;
      all += values.length;
    }
    expect(Math.abs(zero / all - 0.5)).toBeLessThan(16 / all);

    const graph = graphFromNetwork(NETWORK, parameters);
    const { int8 } = await quantizeOnSet(graph, stripeSet(), { calibration: 20, seed: 1 }, {}, "int8");
    const layers = layerSparsities(int8, SKIPPED_BLOCK);
    expect(layers.map(({ kind, name }) => [kind, name.split("/")[0]])).toEqual([
      ["CONV_2D", "conv1"],
      ["DEPTHWISE_CONV_2D", "block1"],
      ["CONV_2D", "block1"],
      ["DEPTHWISE_CONV_2D", "block2"],
      ["CONV_2D", "block2"],
      ["FULLY_CONNECTED", "dense"],
    ]);
    for (const [i, name] of [
      [2, "block1/pointwise/weights"],
      [4, "block2/pointwise/weights"],
      [5, "dense/weights"],
    ] as const) {
      const { shape, values } = parameters.get(name)!;
      const share = zeroBlockShare(values, trainingLayout(shape, SKIPPED_BLOCK));
      expect(layers[i]!.zeroBlocks).toBe(share);
      expect(layers[i]!.zeros).toBeGreaterThanOrEqual(zeroShare(values));
    }
    expect(layers[1]!.zeroBlocks).toBeNull();
  });

  test("a run that is stopped and goes on ends as one that was never stopped", async () => {
    const whole = await prune({});
    const controller = new AbortController();
    const hooks: TrainHooks = {
      signal: controller.signal,
      onStep: ({ epoch, step }) => {
        if (epoch === 2 && step === 3) controller.abort();
      },
    };
    const stopped = await prune({ hooks });
    expect(stopped.result).toMatchObject({ finished: false, epochs: 2 });
    const resumed = await prune({ folder: stopped.folder });
    expect(resumed.result).toEqual(whole.result);
    for (const file of ["last.ckpt", "best.ckpt"]) {
      const [a, b] = [resumed, whole].map(({ folder }) => readFileSync(join(folder, file)));
      expect(a!.equals(b!)).toBe(true);
    }
  });

  test("what is zero in a network that was pruned before stays zero", async () => {
    const first = await prune({});
    const from = await best(first.folder);
    const second = await prune({ from, pruning: { sparsity: 0.1 } });
    const { values } = from.get("block2/pointwise/weights")!;
    second.last.get("block2/pointwise/weights")!.values.forEach((value, i) => {
      if (values[i] === 0) expect(Math.abs(value)).toBe(0);
    });
    const network = new Network(NETWORK, await best(second.folder));
    expect(evaluate(network, stripeSet().validation).accuracy).toBe(second.result.bestAccuracy);
    network.dispose();
  });
});
