import { beforeAll, describe, expect, test } from "vitest";
import { type Examples, UNLABELLED } from "../../src/data/training-set.ts";
import { Adam } from "../../src/train/adam.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { type Batch, epochBatches } from "../../src/train/batches.ts";
import type { NetworkDescription } from "../../src/train/network/description.ts";
import { initialParameters } from "../../src/train/network/parameters.ts";
import { Network } from "../../src/train/network.ts";
import { crossEntropy, trainStep } from "../../src/train/step.ts";

const ELEMENTS = 4;

/** Example i is [10 i, 10 i + 1, ...]; the last one has no label. */
const examples: Examples = {
  count: 12,
  labels: Uint16Array.from({ length: 12 }, (_, i) => (i === 11 ? UNLABELLED : i % 3)),
  write: (index, out, offset) => {
    for (let k = 0; k < ELEMENTS; k++) out[offset + k] = 10 * index + k;
  },
};

const OPTIONS = { batch: 6, seed: 5, epoch: 0, augmentation: 0 };
const batchesOf = (mix: number): Batch[] => [...epochBatches(examples, ELEMENTS, { ...OPTIONS, mix })];

beforeAll(async () => {
  await trainingBackend();
});

describe("mixed examples", () => {
  test("are shares of their own and of the next one's input and label", () => {
    for (const mix of [0.5, 1]) {
      const batches = batchesOf(mix);
      expect(batches).toHaveLength(2);
      const shares = batches.flatMap(({ mixture }) => [...mixture!.shares]);
      const mixed = shares.filter((share) => share < 1);
      if (mix === 1) expect(new Set(mixed).size).toBe(12);
      else expect(mixed.length > 0 && mixed.length < 12).toBe(true);
      for (const { indices, inputs, labels, mixture } of batches) {
        indices.forEach((index, i) => {
          const other = indices[(i + 1) % indices.length]!;
          const share = mixture!.shares[i]!;
          expect(share).toBeGreaterThan(0);
          expect(labels[i]).toBe(examples.labels[index]);
          expect(mixture!.labels[i]).toBe(examples.labels[other]);
          for (let k = 0; k < ELEMENTS; k++) {
            const wanted = share * (10 * index + k) + (1 - share) * (10 * other + k);
            expect(inputs[i * ELEMENTS + k]).toBeCloseTo(wanted, 3);
          }
        });
      }
    }
  });

  test("are others in another epoch, and none where none are asked for", () => {
    const [first] = batchesOf(1);
    const [again] = batchesOf(1);
    const [later] = epochBatches(examples, ELEMENTS, { ...OPTIONS, epoch: 1, mix: 1 });
    expect(again).toEqual(first);
    expect(later!.mixture!.shares).not.toEqual(first!.mixture!.shares);
    expect(batchesOf(0).map(({ mixture }) => mixture)).toEqual([undefined, undefined]);
  });

  test("have the targets of both, and of one where the other has no label", () => {
    const description: NetworkDescription = {
      name: "line",
      inputShape: [1, 1, ELEMENTS],
      layers: [
        { kind: "globalAveragePool", name: "pool" },
        { kind: "dense", name: "dense", units: 3, bias: true },
      ],
    };
    const network = new Network(description, initialParameters(description, 1));
    const found: number[][] = [];
    const batches = batchesOf(1);
    try {
      for (const batch of batches) {
        trainStep(
          network,
          new Adam(0),
          batch,
          ({ network: own, x, targets, training }) => {
            found.push(...(targets.arraySync() as number[][]));
            return crossEntropy(own.forward(x, { training }), targets);
          },
          { learningRate: 0, labelSmoothing: 0.3, weightDecay: 0, statisticsMomentum: 0.9, seed: 1 },
        );
      }
    } finally {
      network.dispose();
    }
    const wanted = batches.flatMap(({ labels, mixture }) =>
      Array.from(labels, (label, i) => {
        const share = mixture!.shares[i]!;
        return [0, 1, 2].map((c) => {
          const of = (one: number) => (one === UNLABELLED ? 0 : one === c ? 0.8 : 0.1);
          return share * of(label) + (1 - share) * of(mixture!.labels[i]!);
        });
      }),
    );
    expect(found.flat()).toHaveLength(36);
    found.flat().forEach((value, i) => {
      expect(value).toBeCloseTo(wanted.flat()[i]!, 5);
    });
  });
});
