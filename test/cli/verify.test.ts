import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import { buildHost, hostCompiler } from "../../src/mcu/host.ts";
import { compileTflite } from "../../src/plan/compile.ts";
import { temporaryFolder, thumbnet, thumbnetJson } from "./cli.ts";

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const MODEL = root("models/digits/digits.tflite");
const SAMPLE = root("models/digits/samples/digit-3.png");
const SAMPLES = root("models/digits/samples");

const { path, write } = temporaryFolder();

/** The firmware's sources with one text replaced, once. */
function mutant(name: string, file: string, from: string, to: string): string {
  const folder = path(name);
  cpSync(root("firmware"), folder, { recursive: true });
  const source = readFileSync(`${folder}/${file}`, "utf8");
  expect(source.split(from), `"${from}" stands once in ${file}`).toHaveLength(2);
  writeFileSync(`${folder}/${file}`, source.replace(from, to));
  return folder;
}

test("all implementations are equal on a shipped model", () => {
  const { equal, compared } = thumbnetJson("verify", MODEL, SAMPLE);
  expect(equal).toBe(true);
  expect(compared.map(({ name }: { name: string }) => name)).toEqual([
    "WebAssembly, scalar",
    "WebAssembly, simd",
    ...(hostCompiler() ? ["C on the host"] : []),
    "emulated chip",
  ]);
});

describe.skipIf(!hostCompiler())("a mutated kernel is found and named", () => {
  // With the exact form everywhere, whose parameters are those that a mistaken kernel may have confused.
  const exact = write("exact.tnet", compileTflite(readFileSync(MODEL), "digits", { target: "wasm" }));

  it.each([
    [
      "no rounding in the last shift",
      "support/requantize.h",
      "return (((product + (product >> 31)) >> (right - 1)) + 1) >> 1;",
      "return product >> right;",
      { operator: 0, name: "CONV_2D", cause: /^rounding mode/ },
    ],
    [
      "a window one column too far left",
      "kernels/depthwise_s8.c",
      ".padding = r->pad_left,",
      ".padding = r->pad_left + 1,",
      { operator: 1, name: "DEPTHWISE_CONV_2D", cause: /^padding: one column more on the left/ },
    ],
    [
      "a window one row too high",
      "kernels/depthwise_s8.c",
      ".padding = r->pad_top,",
      ".padding = r->pad_top + 1,",
      { operator: 1, name: "DEPTHWISE_CONV_2D", cause: /^padding: one row more on top/ },
    ],
    [
      "padding of zeros",
      "kernels/conv_s8.c",
      "memset(to, r->input_zero_point,",
      "memset(to, 0,",
      { operator: 0, name: "CONV_2D", cause: /^padding/ },
    ],
    [
      "no output zero point",
      "support/gemm.c",
      "zero_point = form->zero_point - low;",
      "zero_point = -low;",
      { operator: 0, name: "CONV_2D", cause: /^zero point: the output's is left out/ },
    ],
    [
      "a wrong mean",
      "kernels/avg_pool_s8.c",
      "sums[i] > 0 ? sums[i] + half : sums[i] - half",
      "sums[i] + half",
      { name: "AVERAGE_POOL_2D", cause: /^rounding mode/ },
    ],
  ])("%s", (name, file, from, to, expected) => {
    const folder = mutant(name.replaceAll(" ", "-"), file, from, to);
    const { code, stdout } = thumbnet(
      "verify",
      exact,
      SAMPLE,
      "--on",
      "host",
      "--firmware",
      folder,
      "--json",
    );
    expect(code).toBe(1);
    const { equal, compared } = JSON.parse(stdout);
    expect(equal).toBe(false);
    const { difference } = compared[1];
    expect(difference).toMatchObject({ ...expected, cause: expect.stringMatching(expected.cause) });
    expect(difference.expected).not.toBe(difference.found);
    expect(difference.coordinates).toHaveLength(4);
  });

  it("says so in words, too", () => {
    const folder = mutant(
      "words",
      "support/gemm.c",
      "zero_point = form->zero_point - low;",
      "zero_point = form->zero_point + 1 - low;",
    );
    const { code, stdout } = thumbnet("verify", exact, SAMPLE, "--firmware", folder);
    expect(code).toBe(1);
    expect(stdout).toMatch(/C on the host +1 +\d+ +DIFFERENT/);
    expect(stdout).toMatch(
      /operator 0 CONV_2D \[1,14,14,16\], element \d+ at \[0,\d+,\d+,\d+\]: -?\d+, expected -?\d+/,
    );
    expect(stdout).toContain("likely cause: zero point: the output's is off by one");
  });
});

describe.skipIf(!hostCompiler())("a board's log", () => {
  const image = write("digits.tnet", compileTflite(readFileSync(MODEL), "digits"));
  const input = write(
    "input.bin",
    Uint8Array.from({ length: 784 }, (_, i) => (i * i) % 251),
  );
  const log = spawnSync(buildHost(), [image, input], { encoding: "utf8" }).stdout;

  it("that is right", () => {
    const file = write("right.txt", `boot ok\r\n${log.replaceAll("\n", "\r\n")}bye\r\n`);
    expect(thumbnet("verify", MODEL, input, "--log", file)).toMatchObject({ code: 0 });
  });

  it.each([
    [
      "with a wrong operator",
      (text: string) => text.replace(/operator 4 crc [0-9a-f]{4}/, "operator 4 crc 0000"),
      /operator 4 .*CRC-32 0000.*expected/,
    ],
    [
      "with a garbled output",
      (text: string) => text.replace(/output 0 [0-9a-f]{2}/, "output 0 55"),
      /output 0: the bytes are not those/,
    ],
    ["that is cut off", (text: string) => text.slice(0, 300), /cut off.*stops after operator/],
    [
      "with a garbled line",
      (text: string) => text.replace("operator 3 crc", "operatr 3 crc").replace("operator 5", "operator 6"),
      /garbled or out of order/,
    ],
    [
      "of another model",
      (text: string) => text.replace(/image [0-9a-f]{8}/, "image 01234567"),
      /ran image 01234567.*another model, or exported by another version/,
    ],
    [
      "of another input",
      (text: string) => text.replace(/input 0 crc [0-9a-f]{8}/, "input 0 crc 01234567"),
      /input 0 had CRC-32 01234567/,
    ],
    ["of another version", (text: string) => text.replace("thumbnet 1", "thumbnet 2"), /log of version 2/],
    ["with no run in it", () => "hello\n", /holds no run/],
  ])("%s is named", (name, change, message) => {
    const changed = change(log);
    expect(changed).not.toBe(log);
    const { code, stdout, stderr } = thumbnet("verify", MODEL, input, "--log", write(`${name}.txt`, changed));
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(message);
  });
});

describe("golden outputs", () => {
  it("that are right or wrong", () => {
    const file = path("golden.bin");
    expect(thumbnet("run", MODEL, SAMPLES, "--out", file)).toMatchObject({ code: 0 });
    expect(thumbnet("verify", MODEL, SAMPLES, "--golden", file)).toMatchObject({ code: 0 });
    const bytes = readFileSync(file);
    bytes[25]! ^= 1;
    const { code, stdout } = thumbnet("verify", MODEL, SAMPLES, "--golden", write("wrong.bin", bytes));
    expect(code).toBe(1);
    expect(stdout).toMatch(/input 2, output byte 5: -?\d+, the golden file has -?\d+/);
    const short = thumbnet("verify", MODEL, SAMPLES, "--golden", write("short.bin", bytes.subarray(1)));
    expect(short).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/holds 99 bytes, 10 inputs give 100/),
    });
  });
});

test("a firmware folder that holds none is named", () => {
  const { code, stderr } = thumbnet("verify", MODEL, SAMPLE, "--firmware", SAMPLES);
  expect(code).toBe(1);
  expect(stderr).toContain("holds no firmware sources");
});
