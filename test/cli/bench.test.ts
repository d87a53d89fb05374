import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { randomInput } from "../../src/bench/input.ts";
import { hasShared, sharedPath } from "../support/shared.ts";
import { smallModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
const model = write("small.tflite", smallModel());

test("measures both engines, and each operator with --profile", () => {
  const { mode, machine, results, time_ms } = thumbnetJson("bench", model, "--time", "20", "--profile");
  expect({ mode, time_ms }).toEqual({ mode: "models", time_ms: 20 });
  expect(machine).toMatchObject({ node: process.version });
  expect(results.map(({ engine }: { engine: string }) => engine)).toEqual(["simd", "scalar"]);
  for (const result of results) {
    expect(result).toMatchObject({ model: "small.tflite", macs: 1104, arena_bytes: 60 });
    expect(result.key).toBe(`small.tflite ${result.engine}`);
    expect(result.microseconds).toBeGreaterThan(0);
    expect(result.load_milliseconds).toBeGreaterThan(0);
    expect(result.first_load_milliseconds).toBeGreaterThan(0);
    expect(result.heap_bytes).toBeGreaterThan(0);
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
  expect(stdout).toMatch(
    /^small\.tflite +1,104 +scalar +[\d.]+ +[\d.]+ % +[\d.]+ +[\d.]+ +[\d.]+ +[\d,]+ +60 +[\d,]+$/m,
  );
  expect(stdout).toMatch(
    /^small\.tnet +- +scalar +[\d.]+ +[\d.]+ % +- +[\d.]+ +[\d.]+ +[\d,]+ +60 +[\d,]+$/m,
  );
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

test("without a model those of the repository are taken", () => {
  const { results } = thumbnetJson("bench", "--time", "5", "--engine", "simd");
  expect(results.map(({ key }: { key: string }) => key)).toContain("digits.tflite simd");
});

test("--kernels times kernels, --filter chooses among them", () => {
  const filter = ["--kernels", "--filter", "KWS 125x64->64, 9[05]", "--time", "3"];
  const { mode, results, ceilings, overhead } = thumbnetJson("bench", ...filter);
  expect(mode).toBe("kernels");
  expect(results.map(({ key }: { key: string }) => key)).toEqual([
    "pointwise KWS 125x64->64",
    "pointwise KWS 125x64->64, 90 % zero blocks",
    "pointwise KWS 125x64->64, 95 % zero blocks",
  ]);
  expect(ceilings.length).toBe(4);
  expect(Object.keys(overhead)).toEqual(["model_run", "run", "repeated_run"]);
});

test("--save keeps a measurement that --compare sets beside a new one", () => {
  const file = path("baseline.json");
  const options = ["--time", "5", "--engine", "simd"];
  const first = thumbnetJson("bench", model, ...options, "--save", file);
  expect(JSON.parse(readFileSync(file, "utf8")).models).toEqual(first);

  const { comparison } = thumbnetJson("bench", model, ...options, "--compare", file);
  const [old] = first.results;
  expect(comparison).toMatchObject({ same_machine: true, missing: [], added: [] });
  expect(comparison.rows.map(({ key }: { key: string }) => key)).toEqual(["small.tflite simd"]);
  expect(comparison.rows[0].old_microseconds).toBe(old.microseconds);

  const { code, stdout } = thumbnet("bench", model, ...options, "--compare", file);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\d faster, \d slower, \d within the noise\. /m);
});

test("what does not go together is refused before anything is measured", () => {
  const text = write("text.txt", "no JSON");
  const cases = [
    [["--peers", "--kernels"], "--peers or --kernels, not both"],
    [["--filter", "x"], "--filter chooses among --kernels"],
    [["--kernels", model], "--kernels takes no MODEL"],
    [["--kernels", "--filter", "no such kernel"], "no kernel case matches /no such kernel/i"],
    [[model, "--compare", text], `${text}: is no JSON`],
    [[model, "--save", path("none/none.json")], `${path("none")}: no such file or folder`],
    [[model, "--compare", path("none.json")], `${path("none.json")}: no such file or folder`],
  ] as const;
  for (const [options, message] of cases) {
    const { code, stdout, stderr } = thumbnet("bench", ...options);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(`thumbnet: ${message}`);
  }
  const { code, stderr } = thumbnet("bench", "--kernels", "--filter", "(");
  expect(code).toBe(2);
  expect(stderr).toContain("Unterminated group");
});

const hasPeers = existsSync(new URL("../../bench/peers/node_modules", import.meta.url));
if (!hasPeers) console.warn("SKIPPED: tests with peers (npm ci --prefix bench/peers)");

const DIGITS = fileURLToPath(new URL("../../models/digits/digits.tflite", import.meta.url));

interface PeerRow {
  readonly key: string;
  readonly model: string;
  readonly runtime: string;
  readonly kind: string;
  readonly ratio: number;
  readonly kept_ratio: number | null;
  readonly is_best: boolean;
  readonly equal_outputs: number;
  readonly inputs: number;
  readonly compared_with: string;
  readonly gzipped_bytes: number | null;
  readonly problem: string | null;
}

/** What holds for every model: thumbnet first, peers that run it, one of them the fastest in WebAssembly. */
function checkPeers(rows: readonly PeerRow[], least: number): void {
  const peers = rows.filter(({ kind }) => !kind.startsWith("thumbnet"));
  const names = peers.map(({ runtime }) => runtime.split(" ")[0]);
  expect(names).toEqual(expect.arrayContaining(["onnxruntime-web", "LiteRT.js", "tfjs-tflite"]));
  for (const peer of peers) {
    expect(peer.problem).toBe(null);
    expect(peer.ratio).toBeGreaterThan(0);
    expect(peer.gzipped_bytes === null).toBe(peer.kind === "native");
    // Peers round once where the chip rounds twice: most outputs agree, and none would if inputs were mixed up.
    expect(peer.equal_outputs / peer.inputs).toBeGreaterThan(least);
  }
  const inPages = peers.filter(({ kind }) => kind === "WebAssembly");
  const fastest = Math.min(...inPages.map(({ ratio }) => ratio));
  expect(rows.filter(({ is_best }) => is_best).map(({ ratio }) => ratio)).toEqual([fastest]);
}

test.skipIf(!hasPeers)("--peers compares runtimes; thumbnet says what is right of an unknown model", () => {
  const { results } = thumbnetJson("bench", "--peers", DIGITS, "--time", "50");
  expect(results[0]).toMatchObject({
    model: "digits.tflite",
    runtime: "thumbnet simd",
    ratio: 1,
    equal_outputs: null,
    compared_with: "thumbnet",
    problem: null,
  });
  expect(results[0].gzipped_bytes).toBeLessThan(60 * 1024);
  checkPeers(results, 0.5);
});

test.skipIf(!hasPeers || !hasShared)("--peers on reference models: goldens say what is right", () => {
  const models = ["kws_ref_model", "vww_96_int8"].map((name) =>
    sharedPath("models", "mlperf-tiny", `${name}.tflite`),
  );
  const { results }: { results: PeerRow[] } = thumbnetJson("bench", "--peers", ...models, "--time", "50");
  const rows = (name: string) => results.filter((row) => row.model === name);
  for (const [name, inputs] of [
    ["kws_ref_model.tflite", 567] as const,
    ["vww_96_int8.tflite", 219] as const,
  ]) {
    checkPeers(rows(name), 0.4);
    for (const row of rows(name)) expect(row).toMatchObject({ compared_with: "goldens", inputs });
    for (const row of rows(name).filter(({ kind }) => kind.startsWith("thumbnet")))
      expect(row.equal_outputs).toBe(inputs);
  }
  // Only VWW has channels that are constant.
  const kept = results.filter(({ kind }) => kind === "thumbnet kept");
  expect(kept.map(({ key }) => key)).toEqual(["vww_96_int8.tflite thumbnet simd, constant channels kept"]);
  expect(kept[0]!.kept_ratio).toBe(1);
  for (const { kept_ratio } of rows("kws_ref_model.tflite")) expect(kept_ratio).toBe(null);

  const { stdout } = thumbnet("bench", "--peers", models[1]!, "--time", "20");
  expect(stdout).toMatch(/^vww_96_int8\.tflite, constant channels kept +[\d.]+ .*\* [\d.]+/m);
});

test.skipIf(!hasPeers)("--peers refuses what peers cannot be compared on", () => {
  const tensors = [tensor("a", [1, 2]), tensor("b", [1, 2]), tensor("sum", [1, 2])];
  const add = { kind: "ADD", inputs: [0, 1], outputs: [2], options: { activation: "NONE" } } as const;
  const file = write("two.tflite", tflite("two", tensors, [add], [0, 1], [2]));
  for (const models of [[file], [DIGITS, file]]) {
    const { code, stdout, stderr } = thumbnet("bench", "--peers", ...models, "--time", "5");
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr: "thumbnet: two.tflite: --peers compares models of one int8 input\n",
    });
  }
});
