// Sums and copies of weights that WebAssembly makes, against plain loops.
import { expect, it } from "vitest";
import { gatherWeights, type WeightOrder, weightSums } from "../../src/plan/weights.ts";
import { Random } from "../support/random.ts";

/** Random weights, a third of them zero, the extremes among them. */
function randomWeights(random: Random, length: number): Int8Array {
  const values = [0, 0, 0, -128, 127];
  return Int8Array.from({ length }, () => values[random.integer(0, 8)] ?? random.integer(-128, 127));
}

function plainSums(weights: Int8Array, channels: number, order: WeightOrder, zeroPoint: number) {
  const size = weights.length / channels;
  return (c: number, i: number) =>
    weights[order === "channels first" ? c * size + i : i * channels + c]! - zeroPoint;
}

it("sums of positive and of negative weights, in both orders, less a zero point", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const [channels, size] = [random.integer(1, 40), random.integer(1, 40)];
    const order = seed % 2 ? "channels first" : "channels last";
    const zeroPoint = seed % 3 ? 0 : random.integer(-128, 127);
    const weights = randomWeights(random, channels * size);
    const at = plainSums(weights, channels, order, zeroPoint);
    const { least, most, count } = weightSums(weights, channels, order, zeroPoint);
    for (let c = 0; c < channels; c++) {
      const row = Array.from({ length: size }, (_, i) => at(c, i));
      const sum = (wanted: (w: number) => boolean) => row.filter(wanted).reduce((a, b) => a + b, 0);
      expect([least[c], most[c], count[c]], `seed ${seed}, channel ${c}`).toEqual([
        sum((w) => w < 0),
        sum((w) => w > 0),
        row.filter((w) => w !== 0).length,
      ]);
    }
  }
});

it("ranges of sums with inputs of ranges of their own, in groups", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const [groups, perGroup] = [random.integer(1, 5), random.integer(1, 6)];
    const isDepthwise = seed % 2 === 0;
    const [taps, depth] = [random.integer(1, 9), isDepthwise ? 1 : random.integer(1, 9)];
    const channels = groups * perGroup;
    const weights = randomWeights(random, channels * taps * depth);
    const low = Int32Array.from({ length: groups * depth }, () => random.integer(-255, 255));
    const high = low.map((value) => value + random.integer(0, 255));
    const order = isDepthwise ? "channels last" : "channels first";
    const at = plainSums(weights, channels, order, 0);
    const { least, most } = weightSums(weights, channels, order, 0, { depth, low, high });
    for (let c = 0; c < channels; c++) {
      let [from, to] = [0, 0];
      for (let i = 0; i < taps * depth; i++) {
        const input = Math.floor(c / perGroup) * depth + (i % depth);
        const ends = [at(c, i) * low[input]!, at(c, i) * high[input]!];
        from += Math.min(...ends);
        to += Math.max(...ends);
      }
      expect([least[c], most[c]], `seed ${seed}, channel ${c}`).toEqual([from, to]);
    }
  }
});

it("sums beyond int32", () => {
  const weights = new Int8Array(200_000).fill(-128);
  const range = { depth: 1, low: Int32Array.of(-255), high: Int32Array.of(255) };
  const { least, most } = weightSums(weights, 1, "channels first", 0, range);
  expect([least[0], most[0]]).toEqual([-200_000 * 128 * 255, 200_000 * 128 * 255]);
});

it("weights of some rows and of some inputs of each tap", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const [rows, taps, depth] = [random.integer(1, 20), random.integer(1, 9), random.integer(1, 20)];
    const weights = randomWeights(random, rows * taps * depth);
    const some = (length: number) =>
      Int32Array.from([...Array(length).keys()].filter(() => random.integer(0, 2) > 0));
    const [kept, left] = [some(rows), some(depth)];
    const expected: number[] = [];
    for (const row of kept) {
      for (let tap = 0; tap < taps; tap++) {
        for (const k of left) expected.push(weights[(row * taps + tap) * depth + k]!);
      }
    }
    expect([...gatherWeights(weights, taps * depth, depth, kept, left)], `seed ${seed}`).toEqual(expected);
  }
});
