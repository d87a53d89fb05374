import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { writeKwsSet } from "../support/kws-set.ts";
import { interruptOnce, temporaryFolder, thumbnet, thumbnetError, thumbnetJson } from "./cli.ts";

const folder = temporaryFolder();
const SMALL = ["--batch", "32", "--lr", "0.02", "--average", "0.9"];
let data: string;
let network: string;

beforeAll(() => {
  data = writeKwsSet(folder.path("kws"), { train: 480, val: 60, test: 48 });
  const out = folder.path("whole");
  thumbnetJson(
    ...["train", "dscnn", "--width", "8", "--epochs", "4", "--data", data, "--out", out],
    ...SMALL,
  );
  network = join(out, "best.ckpt");
}, 120000);

const command = (out: string, ...more: string[]) => [
  ...["prune", "magnitude", network, "--data", data, "--out", folder.path(out), "--sparsity", "0.5"],
  ...["--epochs", "4", "--every", "3", "--calibration", "20", ...SMALL, ...more],
];

test("prunes, and the int8 model that it leaves is as sparse as it says", () => {
  const result = thumbnetJson(...command("pruned", "--block", "8x2", "--scope", "layer", "--test"));
  expect(result.prune).toEqual({
    sparsity: 0.5,
    block: { outputs: 8, inputs: 2 },
    scope: "layer",
    firstLayer: false,
    ramp: 2,
    every: 3,
  });
  expect(result.best_epoch).toBeGreaterThanOrEqual(2);
  const pointwise = result.layers.filter(({ name }: { name: string }) => name.includes("pointwise"));
  expect(pointwise).toHaveLength(4);
  for (const { zeroBlocks } of pointwise) expect(zeroBlocks).toBe(0.5);
  expect(result.layers[0]).toMatchObject({ kind: "CONV_2D", zeroBlocks: 0 });
  expect(result.weights_not_zero).toBeLessThan(result.weights);
  expect(result.accuracy.validation).toMatchObject({ count: 60 });
  expect(result.accuracy.test).toMatchObject({ count: 48 });
  expect(result.accuracy.validation.int8Accuracy).toBeGreaterThan(0.3);
  expect(thumbnetJson("inspect", folder.path("pruned/int8.tflite")).inputs[0].shape).toEqual([1, 49, 10, 1]);

  // The same command again trains no more, and prints a table.
  const { code, stdout } = thumbnet(...command("pruned", "--block", "8x2", "--scope", "layer"));
  expect(code).toBe(0);
  expect(stdout).toMatch(/CONV_2D +block1\/pointwise\S* +64 +5\d\.\d\d % +50\.00 %\n/);
  expect(stdout).toMatch(/weights are left \(\d+\.\d\d % zero\)\nvalidation: float .* %, int8 .* \(60 exa/);
}, 120000);

test("Ctrl-C stops it, and the same command goes on to the same end", async () => {
  expect(thumbnet(...command("once")).code).toBe(0);
  expect(await interruptOnce(folder.path("twice/last.ckpt"), ...command("twice"))).toBe(1);
  expect(existsSync(folder.path("twice/int8.tflite"))).toBe(false);
  expect(thumbnet(...command("twice")).code).toBe(0);
  for (const file of ["last.ckpt", "best.ckpt", "int8.tflite"]) {
    const [a, b] = ["once", "twice"].map((out) => readFileSync(join(folder.path(out), file)));
    expect(a!.equals(b!)).toBe(true);
  }
  const other = thumbnet(...command("twice", "--scope", "layer"));
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(/is of another run: prune\.magnitude\.scope is "global", not "layer"/);
}, 120000);

test("what is wrong is said", () => {
  expect(thumbnetError(...command("none", "--block", "8"))).toMatch(
    /"8" is no block; expected: output channels/,
  );
  expect(thumbnetError(...command("none", "--sparsity", "1"))).toMatch(/must be a number from 0 to 0.999/);
  expect(thumbnetError(...command("none", "--ramp", "5"))).toMatch(
    /^thumbnet: --ramp 5 is longer than --epochs 4/,
  );
  expect(thumbnetError("prune", "magnitude", network, "--data", data, "--out", "x")).toMatch(
    /required option/,
  );
  expect(thumbnetError("prune", "wide")).toMatch(/^thumbnet: /);
  const text = folder.write("model.tflite", "no model");
  expect(
    thumbnetError("prune", "magnitude", text, "--data", data, "--out", "x", "--sparsity", "0.5"),
  ).toMatch(/^thumbnet: model\.tflite: /);
}, 60000);
