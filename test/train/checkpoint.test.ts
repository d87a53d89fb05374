import { expect, test } from "vitest";
import {
  decodeCheckpoint,
  encodeCheckpoint,
  readNetwork,
  writeCheckpoint,
  writeNetwork,
} from "../../src/train/checkpoint.ts";
import { dscnn } from "../../src/train/network/factories.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { randomParameters } from "../support/networks.ts";

const folder = temporaryFolder();
const tensors = new Map([
  ["a", { shape: [2, 3], values: Float32Array.of(1, -2, 3.5, 1e-30, -0, 7) }],
  ["b", { shape: [1], values: Float32Array.of(Math.PI) }],
]);

test("comes back as it was", () => {
  const meta = { text: "ä", list: [1, 2, { x: null }] };
  const back = decodeCheckpoint(encodeCheckpoint({ meta, tensors }), "x");
  expect(back.meta).toEqual(meta);
  expect(back.tensors).toEqual(tensors);
});

test("a bit that is wrong, anywhere, and an end that is missing are found", () => {
  const bytes = encodeCheckpoint({ meta: {}, tensors });
  for (let i = 0; i < bytes.length; i++) {
    const damaged = bytes.slice();
    damaged[i]! ^= 0x10;
    expect(() => decodeCheckpoint(damaged, "file")).toThrow(/^file: /);
  }
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeCheckpoint(bytes.subarray(0, length), "file")).toThrow(/^file: /);
  }
});

test("a network comes back; what is none is refused", async () => {
  const description = dscnn({ filters: 4, blocks: 1 });
  const trained = { description, parameters: randomParameters(description, 1), classes: ["a"], origin: 5 };
  await writeNetwork(folder.path("net.ckpt"), trained);
  expect(await readNetwork(folder.path("net.ckpt"))).toEqual(trained);

  await writeCheckpoint(folder.path("state.ckpt"), { meta: { kind: "training" }, tensors });
  await expect(readNetwork(folder.path("state.ckpt"))).rejects.toThrow(/holds a training run's state/);
  const meta = { kind: "network", description, classes: [], origin: null };
  await writeCheckpoint(folder.path("other.ckpt"), { meta, tensors });
  await expect(readNetwork(folder.path("other.ckpt"))).rejects.toThrow(/conv1\/weights .* is missing/);
});
