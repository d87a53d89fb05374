import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import { identityModel, temporaryFolder, thumbnet, thumbnetJson } from "./cli.ts";

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const MODEL = root("models/digits/digits.tflite");
const SAMPLE = root("models/digits/samples/digit-3.png");
const SAMPLES = root("models/digits/samples");

const { path, write } = temporaryFolder();

interface Cycles {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

describe("a shipped model", () => {
  const one = thumbnetJson("emulate", MODEL, SAMPLE);
  const many = thumbnetJson("emulate", MODEL, SAMPLES, "--limit", "4");

  it("gives the outputs of run", () => {
    const { results } = thumbnetJson("run", MODEL, SAMPLES);
    expect(many.count).toBe(4);
    for (const [i, { name, outputs }] of many.results.entries()) {
      expect(name).toBe(results[i].name);
      expect(outputs[0].top_class).toBe(results[i].outputs[0].top_class);
      expect(outputs[0].score).toBe(results[i].outputs[0].score);
    }
  });

  it("has cycles of every operator, which add up", () => {
    const { operators } = thumbnetJson("inspect", MODEL);
    const names = ({ index, name, macs }: { index: number; name: string; macs: number }) => ({
      index,
      name,
      macs,
    });
    expect(one.operators.map(names)).toEqual(operators.map(names));
    const sum = one.operators.reduce(
      (total: number, { cycles }: { cycles: Cycles }) => total + cycles.mean,
      0,
    );
    expect(one.cycles.mean).toBeGreaterThanOrEqual(sum);
    expect(one.cycles.mean - sum).toBeLessThan(1000);
    expect(one.cycles).toEqual({ mean: one.results[0].cycles, min: one.cycles.mean, max: one.cycles.mean });
  });

  it("has the mean and the range over several inputs", () => {
    const cycles = many.results.map((result: { cycles: number }) => result.cycles);
    expect(many.cycles.min).toBe(Math.min(...cycles));
    expect(many.cycles.max).toBe(Math.max(...cycles));
    expect(many.cycles.mean).toBeCloseTo(cycles.reduce((a: number, b: number) => a + b) / 4);
    expect(thumbnetJson("emulate", MODEL, SAMPLES, "--index", "2").results).toEqual([many.results[2]]);
  });

  it("has RAM and flash by part", () => {
    const { ram, flash } = one;
    const { arena_bytes, image_bytes } = thumbnetJson("inspect", MODEL);
    expect(ram).toMatchObject({ arena: arena_bytes, sum: ram.arena + ram.scratch + ram.stack + ram.static });
    expect(flash).toEqual({ code: flash.code, image: image_bytes, sum: flash.code + image_bytes });
  });

  it("has times at the clock asked for", () => {
    const { times, cycles } = thumbnetJson("emulate", MODEL, SAMPLE, "--clock", "48");
    expect(times).toEqual([48, 64, 125, 133].map((mhz) => ({ mhz, milliseconds: cycles.mean / mhz / 1000 })));
    const { stdout } = thumbnet("emulate", MODEL, SAMPLE, "--clock", "48");
    expect(stdout).toContain(`time    ${(cycles.mean / 48000).toPrecision(4)} ms at 48 MHz (`);
    expect(stdout).toMatch(/^ *0 {2}CONV_2D .* 28,224 +[\d,]+ +\d+\.\d\d$/m);
  });
});

test("--flash-cache and --by-instruction count beside the cycles, and change nothing else", () => {
  const plain = thumbnetJson("emulate", MODEL, SAMPLE);
  const { flash_cache, by_instruction, operators, ...rest } = thumbnetJson(
    "emulate",
    MODEL,
    SAMPLE,
    "--flash-cache",
  );
  expect(rest.cycles).toEqual(plain.cycles);
  expect(plain.flash_cache).toBeUndefined();
  expect(flash_cache.misses).toBeGreaterThan(100);
  expect(flash_cache.cycles).toBe(plain.cycles.mean + 100 * flash_cache.misses);
  const misses = operators.map((op: { flash_cache: { misses: number } }) => op.flash_cache.misses);
  expect(misses.reduce((a: number, b: number) => a + b)).toBe(flash_cache.misses);
  const kinds = Object.values(by_instruction as Record<string, number>).reduce((a, b) => a + b);
  expect(kinds).toBeLessThanOrEqual(plain.cycles.mean);
  expect(kinds).toBeGreaterThan(0.99 * plain.cycles.mean);
  expect(by_instruction.multiply).toBeGreaterThan(0);

  const { stdout } = thumbnet("emulate", MODEL, SAMPLE, "--flash-cache", "--by-instruction");
  expect(stdout).toMatch(/cycles\/MAC +cache misses +with cache +cycles\/MAC$/m);
  expect(stdout).toMatch(/^ *0 {2}CONV_2D +[\d,]+ +\d+\.\d % +\d+\.\d % +\d+\.\d % +\d+\.\d % +\d+\.\d %$/m);
  expect(stdout).toContain(" with the flash cache");
});

test("a model that only renames takes no cycles in its operators, and an image has no MACs", () => {
  const model = write("identity.tflite", identityModel([1, 8]));
  const input = write("input.bin", new Uint8Array(8));
  const { operators } = thumbnetJson("emulate", model, input);
  expect(operators).toMatchObject([{ name: "RESHAPE", cycles: { mean: 0 } }]);
  expect(thumbnet("inspect", model, "--image", path("identity.image")).code).toBe(0);
  expect(thumbnetJson("emulate", path("identity.image"), input).macs).toBeNull();
});

test.each([
  [["--index", "99"], 1, /--index 99: there is 1 input, counted from 0/],
  [["--clock", "fast"], 2, /--clock.*must be a number of MHz/],
  [["--limit", "0"], 2, /--limit.*whole number from 1/],
])("a wrong option is named: %s", (options, code, message) => {
  const result = thumbnet("emulate", MODEL, SAMPLE, ...options);
  expect(result.code).toBe(code);
  expect(result.stderr).toMatch(message);
});

test("a model too large for the chip is refused with the figures", () => {
  const model = write("wide.tflite", identityModel([1, 300_000]));
  const { code, stderr } = thumbnet("emulate", model, write("wide.bin", new Uint8Array(300_000)));
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^thumbnet: wide\.tflite: too large for the RAM of an RP2040: 300\d{3} bytes \(arena 300\d{3}/,
  );
});

test("the help says what is not modelled", () => {
  expect(thumbnet("emulate", "--help").stdout).toMatch(/Not modelled: the other core or DMA/);
});

test("an interrupt stops after the input at work and prints what is done", async () => {
  const count = 50_000;
  const model = write("small.tflite", identityModel([1, 8]));
  const input = write("many.bin", new Uint8Array(8 * count));
  const child = spawn(process.execPath, [root("dist/cli/main.js"), "emulate", model, input, "--json"]);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    // The first message comes just before the work.
    if (stderr === "") setTimeout(() => child.kill("SIGINT"), 500);
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  const result = JSON.parse(stdout);
  expect(code).toBe(130);
  expect(result.results).toHaveLength(result.count);
  expect(stderr).toContain(`stopped after ${result.count} of ${count} inputs`);
});
