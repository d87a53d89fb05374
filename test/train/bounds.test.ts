/**
 * The kernels on a memory of their own, filled with a pattern: they read their inputs and write their outputs and
 * scratch, and not one byte beside. On the backend's memory a byte beside is somebody else's tensor.
 */
import { beforeEach, describe, expect, it } from "vitest";
import type { TrainingExports } from "../../src/train/kernels/exports.ts";
import { train } from "../../src/train/kernels/wasm.generated.ts";
import { Random } from "../support/random.ts";

const PATTERN = 0xab;
const module = new WebAssembly.Module(Uint8Array.from(atob(train), (c) => c.charCodeAt(0)));

let memory: WebAssembly.Memory;
let kernels: TrainingExports;
let next: number;
let written: [start: number, end: number][];

beforeEach(async () => {
  memory = new WebAssembly.Memory({ initial: 8 });
  kernels = (await WebAssembly.instantiate(module, { env: { memory } }))
    .exports as unknown as TrainingExports;
  new Uint8Array(memory.buffer).fill(PATTERN);
  next = 1024;
  written = [];
});

function reserve(floats: number): number {
  const address = next;
  // Blocks lie close: the next one begins 4 to 12 bytes behind this one's end.
  next += (floats * 4 + 4 + 7) & ~7;
  return address;
}

function input(floats: number): number {
  const address = reserve(floats);
  const random = new Random(floats);
  new Float32Array(memory.buffer, address, floats).forEach((_, i, all) => {
    all[i] = random.normal();
  });
  return address;
}

function output(floats: number): number {
  const address = reserve(floats);
  written.push([address, address + floats * 4]);
  return address;
}

function window(fields: number[]): number {
  const address = reserve(15);
  new Int32Array(memory.buffer, address, 15).set(fields);
  return address;
}

/** Runs a kernel, then compares all bytes that are not output or scratch. */
function expectInside(run: () => void): void {
  const bytes = new Uint8Array(memory.buffer);
  const before = bytes.slice();
  run();
  for (const [start, end] of written) {
    expect(
      bytes.subarray(start, end).every((byte) => byte === PATTERN),
      "nothing is written",
    ).toBe(false);
    bytes.set(before.subarray(start, end), start);
  }
  const first = bytes.findIndex((byte, i) => byte !== before[i]);
  expect(first, "first byte changed outside the outputs").toBe(-1);
}

it("the module has no memory, data, table or start of its own", () => {
  expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  const bytes = Uint8Array.from(atob(train), (c) => c.charCodeAt(0));
  const sections: number[] = [];
  for (let at = 8; at < bytes.length; ) {
    sections.push(bytes[at++]!);
    let size = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes[at++]!;
      size |= (byte & 127) << shift;
      shift += 7;
    } while (byte >= 128);
    at += size;
  }
  // Types, imports, functions, exports, code.
  expect(sections).toEqual([1, 2, 3, 7, 10]);
});

describe.each([1, 2, 3, 5, 7, 16, 18, 33])("%i channels", (channels) => {
  const [batch, height, width] = [2, 6, 5];
  const pixels = batch * height * width;

  it.each([
    [3, 3, 1, 1, 1, 1, 6, 5],
    [3, 3, 2, 2, 1, 1, 3, 3],
    [2, 4, 1, 1, 0, 1, 5, 4],
    [1, 1, 1, 1, 0, 0, 6, 5],
  ])("convolutions, kernel %ix%i, strides %i %i", (kh, kw, sh, sw, top, left, oh, ow) => {
    const to = 11;
    const geometry = [batch, height, width, channels, kh, kw, sh, sw, 1, 1, top, left, oh, ow];
    const results = batch * oh * ow;
    const taps = kh * kw * channels;
    const w = window([...geometry, to]);
    const [x, filter, dy] = [input(pixels * channels), input(taps * to), input(results * to)];
    const [y, dx, df] = [output(results * to), output(pixels * channels), output(taps * to)];
    const scratch = output(kernels.convScratch(w));
    expectInside(() => {
      kernels.conv(w, x, filter, y, scratch);
      kernels.convInputGradient(w, dy, filter, dx, scratch);
      kernels.convFilterGradient(w, x, dy, df, scratch);
    });
  });

  it.each([
    [3, 3, 1, 1, 1, 1, 6, 5, 1],
    [3, 3, 2, 2, 0, 1, 2, 3, 1],
    [3, 3, 1, 2, 2, 2, 6, 3, 1],
    [3, 3, 1, 1, 3, 1, 6, 5, 1],
    [2, 3, 2, 1, 0, 1, 3, 5, 1],
    [3, 3, 1, 1, 1, 1, 6, 5, 2],
  ])("depthwise, kernel %ix%i, strides %i %i", (kh, kw, sh, sw, top, left, oh, ow, multiplier) => {
    const to = channels * multiplier;
    const w = window([batch, height, width, channels, kh, kw, sh, sw, 1, 1, top, left, oh, ow, to]);
    const results = batch * oh * ow;
    const taps = kh * kw * to;
    const [x, filter, dy] = [input(pixels * channels), input(taps), input(results * to)];
    const [y, dx, df] = [output(results * to), output(pixels * channels), output(taps)];
    const isFast = kernels.isDepthwise3x3(w) === 1;
    expect(isFast).toBe(kh === 3 && multiplier === 1 && top <= 2);
    const scratch = output(isFast ? kernels.depthwise3x3Scratch(w) : kernels.depthwiseScratch(w));
    expectInside(() => {
      if (isFast) {
        kernels.depthwise3x3(w, x, filter, y, scratch);
        kernels.depthwise3x3InputGradient(w, dy, filter, dx, scratch);
        kernels.depthwise3x3FilterGradient(w, x, dy, df, scratch);
      } else {
        kernels.depthwise(w, x, filter, y);
        kernels.depthwiseInputGradient(w, dy, filter, dx);
        kernels.depthwiseFilterGradient(w, x, dy, df, scratch);
      }
    });
  });

  it("average pool", () => {
    const w = window([batch, height, width, channels, 3, 2, 2, 1, 1, 1, 1, 0, 3, 4, channels]);
    const [x, dy] = [input(pixels * channels), input(batch * 12 * channels)];
    const [y, dx] = [output(batch * 12 * channels), output(pixels * channels)];
    expectInside(() => {
      kernels.averagePool(w, x, y);
      kernels.averagePoolGradient(w, dy, dx);
    });
  });

  it("batch normalisation", () => {
    const count = pixels * channels;
    const [x, dy, gamma, beta] = [input(count), input(count), input(channels), input(channels)];
    const [y, dx, z] = [output(count), output(count), output(count)];
    const [mean, variance, dgamma, dbeta] = [0, 0, 0, 0].map(() => output(channels)) as [
      number,
      number,
      number,
      number,
    ];
    const scratch = output(kernels.batchNormScratch(channels));
    const end = [pixels, channels, 1e-3, 0, Number.POSITIVE_INFINITY, scratch] as const;
    expectInside(() => {
      kernels.batchNorm(x, gamma, beta, y, mean, variance, ...end);
      kernels.batchNormGradient(x, dy, gamma, beta, mean, variance, dx, dgamma, dbeta, ...end);
      kernels.normalizeRows(x, gamma, beta, mean, variance, z, ...end);
    });
  });

  it("sums and repetition", () => {
    const x = input(pixels * channels);
    const [sums, y] = [output(batch * channels), output(pixels * channels)];
    const scratch = output(kernels.columnSumsScratch(channels));
    expectInside(() => {
      kernels.sumMiddle(x, sums, batch, height * width, channels, 1, scratch);
      kernels.repeatMiddle(sums, y, batch, height * width, channels, 1);
    });
  });

  it("matrix products", () => {
    const [rows, depth] = [9, 13];
    const [a, b, other] = [input(rows * depth), input(depth * channels), input(rows * channels)];
    const [c, d] = [output(rows * channels), output(depth * channels)];
    const packed = output(kernels.packedFloats(depth, channels));
    expectInside(() => {
      kernels.pack(packed, b, depth, channels);
      kernels.packTransposed(packed, b, depth, channels);
      kernels.multiply(a, packed, c, rows, depth, channels);
      kernels.multiplyTransposed(a, other, d, rows, depth, channels);
    });
  });

  it("one pass over all values", () => {
    const [x, dy, m, v] = [0, 1, 2, 3].map(() => input(channels)) as [number, number, number, number];
    const [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(() => output(channels)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    expectInside(() => {
      kernels.relu(x, a, channels, 6);
      kernels.reluGradient(x, dy, b, channels, 6);
      kernels.dropout(x, c, channels, 1e9, 1.5, 3);
      kernels.adam(x, m, v, dy, d, e, f, channels, 0.1, 0.9, 0.999, 0.5, 1e-7);
    });
  });
});
