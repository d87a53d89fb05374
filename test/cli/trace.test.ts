import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hasShared, sharedPath } from "../support/shared.ts";
import { identityModel, smallModel, temporaryFolder, thumbnet, thumbnetJson } from "./cli.ts";

const { write } = temporaryFolder();
const small = write("small.tflite", smallModel());
const identity = write("identity.tflite", identityModel([1, 9]));
/** "123456789" has the CRC-32 cbf43926. */
const digits = write("digits.bin", Buffer.from("987654321123456789"));

test("names every operator with shape, bytes and CRC-32", () => {
  const input = write(
    "small.bin",
    Uint8Array.from({ length: 32 }, (_, i) => 29 * i + 5),
  );
  const simd = thumbnetJson("trace", small, input, "--engine", "simd");
  const shapes = simd.operators.map(({ index, name, shape, bytes }: Record<string, unknown>) => [
    index,
    name,
    shape,
    bytes,
  ]);
  expect(shapes).toEqual([
    [0, "CONV_2D", [1, 4, 4, 3], 48],
    [1, "RESHAPE", [1, 48], 48],
    [2, "FULLY_CONNECTED", [1, 5], 5],
    [3, "SOFTMAX", [1, 5], 5],
  ]);
  const scalar = thumbnetJson("trace", small, input, "--engine", "scalar");
  expect(scalar).toEqual({ ...simd, engine: "scalar" });
  for (const { index, name, crc32 } of simd.operators) {
    expect(crc32).toMatch(/^[0-9a-f]{8}$/);
    expect(thumbnet("trace", small, input).stdout).toMatch(
      new RegExp(`^ *${index} +${name} .* ${crc32}$`, "m"),
    );
  }
});

test("--index chooses the input; the CRC-32 is zlib's", () => {
  const second = thumbnetJson("trace", identity, digits, "--index", "1");
  expect(second).toMatchObject({ input_crc32: "cbf43926", operators: [{ crc32: "cbf43926", bytes: 9 }] });
  expect(second.input).toBe(`${digits}[1]`);
  expect(thumbnetJson("trace", identity, digits).input_crc32).not.toBe("cbf43926");
});

test("an --index that is not there is one clear error", () => {
  const { code, stdout, stderr } = thumbnet("trace", identity, digits, "--index", "2");
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toBe("thumbnet: --index 2: there are 2 inputs, counted from 0\n");
});

describe.skipIf(!hasShared)("the reference models give the chip's CRC-32s", () => {
  test.each([
    ["kws_ref_model", ["data", "kws01"], "simd"],
    ["vww_96_int8", ["data", "vww01"], "simd"],
    ["pretrainedResnet_quant", ["data", "ic01"], "scalar"],
    ["ad01_int8", ["golden", "inputs", "ad.bin"], "scalar"],
  ])("%s on %s (%s)", (name, input, engine) => {
    const golden = JSON.parse(readFileSync(sharedPath("golden", `${name}.layers.json`), "utf8"));
    const file = sharedPath("models", "mlperf-tiny", `${name}.tflite`);
    for (const index of [0, 3]) {
      const options = ["--engine", engine, "--index", `${index}`];
      const { input_crc32, operators } = thumbnetJson("trace", file, sharedPath(...input), ...options);
      const { input_crc32: expected, layers } = golden[index];
      expect(input_crc32).toBe(expected);
      expect(
        operators.map(({ name: kind, bytes, crc32 }: Record<string, unknown>) => [kind, bytes, crc32]),
      ).toEqual(layers.map(({ kind, bytes, crc32 }: Record<string, unknown>) => [kind, bytes, crc32]));
    }
  });
});
