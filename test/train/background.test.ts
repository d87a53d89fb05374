import { describe, expect, test } from "vitest";
import { openTrainingSet } from "../../src/data/open-set.ts";
import type { BackgroundBatches as Batches } from "../../src/train/background.ts";
import { type Batch, epochBatches } from "../../src/train/batches.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { writeKwsSet } from "../support/kws-set.ts";

// The thread runs what the build has made: this Node runs no TypeScript.
const built = new URL("../../dist/train/background.js", import.meta.url).href;
const { BackgroundBatches } = (await import(built)) as { BackgroundBatches: typeof Batches };

const folder = temporaryFolder();
const SHAPE = [49, 10, 1] as const;

async function collect(batches: AsyncIterable<Batch> | Iterable<Batch>): Promise<Batch[]> {
  const list: Batch[] = [];
  for await (const batch of batches) list.push({ ...batch, indices: batch.indices.slice() });
  return list;
}

describe("batches made on another thread", () => {
  test("are those made here, epoch after epoch", async () => {
    const path = writeKwsSet(folder.path("set"), { train: 50, val: 50, test: 50 });
    const { train } = await openTrainingSet(path, SHAPE);
    const background = await BackgroundBatches.start({ path, pictureShape: SHAPE });
    try {
      for (const epoch of [0, 1, 2]) {
        const options = {
          batch: epoch === 1 ? 25 : 4,
          seed: 3,
          epoch,
          augmentation: epoch / 2,
          mix: epoch / 4,
        };
        const found = await collect(background.epoch(options));
        expect(found).toHaveLength(epoch === 1 ? 2 : 12);
        expect(found).toEqual(await collect(epochBatches(train, 490, options)));
      }
    } finally {
      await background.stop();
    }
  });

  test("cannot start on what is no training set", async () => {
    await expect(BackgroundBatches.start({ path: folder.path("none"), pictureShape: SHAPE })).rejects.toThrow(
      /none: no such file or folder/,
    );
  });
});
