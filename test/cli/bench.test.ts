import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { randomInput } from "../../src/cli/bench-model.ts";
import { smallModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
const model = write("small.tflite", smallModel());

test("measures both engines, and each operator with --profile", () => {
  const { results, time_ms } = thumbnetJson("bench", model, "--time", "20", "--profile");
  expect(time_ms).toBe(20);
  expect(results.map(({ engine }: { engine: string }) => engine)).toEqual(["simd", "scalar"]);
  for (const result of results) {
    expect(result).toMatchObject({ model: "small.tflite", macs: 1104, arena_bytes: 80 });
    expect(result.microseconds).toBeGreaterThan(0);
    expect(result.gmacs_per_second).toBeCloseTo(1104 / result.microseconds / 1000, 9);
    expect(result.operators.map(({ name, macs }: Record<string, unknown>) => [name, macs])).toEqual([
      ["CONV_2D", 864],
      ["RESHAPE", 0],
      ["FULLY_CONNECTED", 240],
      ["SOFTMAX", 0],
    ]);
  }
});

test("prints a line for each model and engine; an image has no MACs", () => {
  const image = path("small.tnet");
  thumbnet("inspect", model, "--image", image);
  const { code, stdout } = thumbnet("bench", model, image, "--time", "5", "--engine", "scalar");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^small\.tflite +1,104 +scalar +[\d.]+ +[\d.]+ % +[\d.]+ +80 +[\d,]+$/m);
  expect(stdout).toMatch(/^small\.tnet +- +scalar +[\d.]+ +[\d.]+ % +- +80 +[\d,]+$/m);
});

test("a model that cannot run is named before anything is measured", () => {
  const tensors = [tensor("in", [1, 2], { dtype: "float32" }), tensor("out", [1, 2], { dtype: "float32" })];
  const relu = { kind: "RELU", inputs: [0], outputs: [1], options: {} } as const;
  const float = write("float.tflite", tflite("float", tensors, [relu], [0], [1]));
  const { code, stdout, stderr } = thumbnet("bench", model, float, "--time", "5");
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^thumbnet: float\.tflite: cannot run in int8:\n {2}operator 0 \(RELU\)/);
});

test("random inputs depend on the seed, and spread over all values", () => {
  const info = { name: "in", shape: [5000], dtype: "int8", scale: 1, zeroPoint: 0, elements: 5000 } as const;
  expect(randomInput(info, 3)).toEqual(randomInput(info, 3));
  expect(randomInput(info, 3)).not.toEqual(randomInput(info, 4));
  expect(new Set(randomInput(info, 0)).size).toBe(256);
});

const hasPeers = existsSync(new URL("../../bench/peers/node_modules", import.meta.url));
if (!hasPeers) console.warn("SKIPPED: tests with peers (npm ci --prefix bench/peers)");

test.skipIf(!hasPeers)("without a model those of the repository are taken; --peers compares them", () => {
  const { results } = thumbnetJson("bench", "--peers", "--time", "50");
  const [own, ...peers] = results.filter(({ model }: { model: string }) => model === "digits.tflite");
  expect(own).toMatchObject({ runtime: "thumbnet simd", ratio: 1, equal_outputs: null, problem: null });
  expect(own.gzipped_bytes).toBeLessThan(60 * 1024);
  expect(peers.length).toBeGreaterThan(0);
  for (const peer of peers) {
    expect(peer.problem).toBe(null);
    expect(peer.ratio).toBeGreaterThan(0);
    // Peers round once where the chip rounds twice: most outputs agree, and none would if inputs were mixed up.
    expect(peer.equal_outputs / peer.inputs).toBeGreaterThan(0.5);
  }
});

test.skipIf(!hasPeers)("--peers refuses what peers cannot be compared on", () => {
  const tensors = [tensor("a", [1, 2]), tensor("b", [1, 2]), tensor("sum", [1, 2])];
  const add = { kind: "ADD", inputs: [0, 1], outputs: [2], options: { activation: "NONE" } } as const;
  const file = write("two.tflite", tflite("two", tensors, [add], [0, 1], [2]));
  const { code, stderr } = thumbnet("bench", "--peers", file, "--time", "5");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: "thumbnet: two.tflite: --peers compares models of one int8 input\n",
  });
});
