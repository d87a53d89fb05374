import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type * as FileSystem from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { type TrainOptions, train } from "../../src/train/loop.ts";
import type { NetworkDescription } from "../../src/train/network/description.ts";
import { convUnit } from "../../src/train/network/factories.ts";
import { initialParameters } from "../../src/train/network/parameters.ts";
import { Network } from "../../src/train/network.ts";
import { SHORT_TRAINING, stripeSet } from "../support/networks.ts";

/** Writes that still succeed, of files whose names match. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY, of: /./ }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof FileSystem>();
  const full = () => Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  const writer =
    <T extends typeof real.writeFile | typeof real.appendFile>(write: T) =>
    async (path: string, content: Uint8Array | string, options?: object) => {
      if (!disk.of.test(path) || disk.room-- > 0) return write(path, content, options);
      // As a real disk does: what fits is written.
      await write(path, content.slice(0, content.length / 2), options);
      throw full();
    };
  return { ...real, writeFile: writer(real.writeFile), appendFile: writer(real.appendFile) };
});

const NETWORK: NetworkDescription = {
  name: "small",
  inputShape: [8, 8, 1],
  layers: [
    ...convUnit("conv1", 4, [3, 3], [2, 2]),
    { kind: "globalAveragePool", name: "pool" },
    { kind: "dense", name: "dense", units: 2, bias: true },
  ],
};

const OPTIONS: TrainOptions = { ...SHORT_TRAINING, epochs: 5, labelSmoothing: 0.05 };

const root = mkdtempSync(join(tmpdir(), "thumbnet-full-"));
beforeAll(() => trainingBackend("wasm"));
beforeEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
});
afterAll(() => rmSync(root, { recursive: true }));

async function run(folder: string) {
  const network = new Network(NETWORK, initialParameters(NETWORK, 3));
  try {
    return await train(network, stripeSet(), folder, OPTIONS);
  } finally {
    network.dispose();
  }
}

const contents = (folder: string) =>
  Object.fromEntries(["best.ckpt", "last.ckpt"].map((file) => [file, readFileSync(join(folder, file))]));

test.each([
  ["a checkpoint", /last\.ckpt/, "last.ckpt"],
  ["the log", /log\.jsonl/, "log.jsonl"],
])(
  "a disk that is full for %s is named, checkpoints stay, and the run goes on later",
  async (_, of, file) => {
    const never = mkdtempSync(join(root, "never-"));
    const wanted = await run(never);
    const folder = mkdtempSync(join(root, "stopped-"));
    Object.assign(disk, { room: 2, of });
    const failure = await run(folder).catch((error: Error) => error);
    expect(failure).toBeInstanceOf(ThumbnetError);
    expect((failure as Error).message).toMatch(new RegExp(`${file}.*: no space left on the disk$`));
    expect(readdirSync(folder).sort()).toEqual(["best.ckpt", "last.ckpt", "log.jsonl"]);
    disk.room = Number.POSITIVE_INFINITY;
    expect(await run(folder)).toEqual(wanted);
    expect(contents(folder)).toEqual(contents(never));
  },
);
