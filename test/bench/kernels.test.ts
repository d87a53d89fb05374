import { describe, expect, test } from "vitest";
import { KERNEL_CASES, type KernelCase } from "../../src/bench/kernel-cases.ts";
import { benchKernels, filterCases } from "../../src/bench/kernels.ts";
import { BLOCK, layerGraph, layerInput } from "../../src/bench/layer.ts";
import { type CeilingsModule, importBench } from "../../src/bench/repository.ts";
import { formatCeilings, formatKernels } from "../../src/bench/tables.ts";
import { graphCost } from "../../src/graph/cost.ts";
import { compileGraph, compilePlan } from "../../src/plan/compile.ts";
import { loadModel } from "../../src/runtime/load.ts";

const KERNEL = {
  pointwise: "pointwise_s8",
  depthwise: "depthwise_s8",
  convolution: "conv_s8",
  "fully connected": "fully_connected_s8",
  add: "add_s8",
  "average pool": "avg_pool_s8",
  "max pool": "max_pool_s8",
} as const;

function find(name: string): KernelCase {
  const found = KERNEL_CASES.find((one) => one.name === name);
  if (!found) throw new Error(`no case ${name}`);
  return found;
}

test("names are unique, and what a case stands beside exists", () => {
  const names = KERNEL_CASES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { beside } of KERNEL_CASES) if (beside) expect(names).toContain(beside);
});

describe.each(Object.entries(KERNEL))("%s", (kind, kernel) => {
  const cases = KERNEL_CASES.filter(({ name }) => name.startsWith(`${kind} `));

  test("is one call of the kernel that its name says", () => {
    expect(cases.length).toBeGreaterThan(0);
    for (const { layer } of cases) {
      const calls = compilePlan(layerGraph(layer)).operators.flatMap((operator) => operator.calls);
      expect(calls.map((call) => call.kernel)).toEqual([kernel]);
    }
  });

  test("has outputs that spread: neither constant nor clipped away", async () => {
    for (const { name, layer } of cases) {
      const model = await loadModel(compileGraph(layerGraph(layer)));
      const output = model.run(model.inputs.map(({ elements }, i) => layerInput(elements, i)));
      const values = [...output];
      const clipped = values.filter((value) => value === -128 || value === 127).length / values.length;
      expect(clipped, name).toBeLessThan(0.8);
      expect(new Set(values).size, name).toBeGreaterThan(Math.min(40, values.length / 8));
    }
  });
});

test("layers have the MACs of the networks that they are named after", () => {
  const macs = (name: string) => graphCost(layerGraph(find(name).layer)).macs;
  // As `thumbnet inspect` says of the MLPerf Tiny models.
  expect(macs("convolution KWS 10x4 s2 49x10x1->64")).toBe(320_000);
  expect(macs("depthwise KWS 3x3 s1 25x5x64")).toBe(72_000);
  expect(macs("pointwise KWS 125x64->64")).toBe(512_000);
  expect(macs("depthwise streaming 10x1 s1 24x1x128")).toBe(19_200);
  expect(macs("convolution ResNet-8 3x3 s2 32x32x16->32")).toBe(1_179_648);
  expect(macs("fully connected AD 640->128")).toBe(81_920);
});

test("the zero blocks are zero, and as many as the name says", () => {
  for (const share of [50, 75, 90, 95]) {
    const { layer } = find(`pointwise VWW 36x128->128, ${share} % zero blocks`);
    const graph = layerGraph(layer);
    const weights = graph.tensors.find(({ name }) => name === "weights")!.data!;
    const [rows, columns] = BLOCK;
    let zero = 0;
    for (let row = 0; row < 128; row += rows) {
      for (let column = 0; column < 128; column += columns) {
        const block = Array.from({ length: rows * columns }, (_, i) => {
          return weights[(row + Math.floor(i / columns)) * 128 + column + (i % columns)];
        });
        if (block.every((value) => value === 0)) zero++;
      }
    }
    const blocks = (128 / rows) * (128 / columns);
    expect(zero / blocks).toBeCloseTo(share / 100, 1);
    expect(Math.abs(zero - (blocks * share) / 100)).toBeLessThan(blocks / 100);
  }
});

test("a filter keeps what its cases stand beside", () => {
  expect(filterCases(/KWS.*90 %/).map(({ name }) => name)).toEqual([
    "pointwise KWS 125x64->64",
    "pointwise KWS 125x64->64, 90 % zero blocks",
  ]);
  expect(() => filterCases(/nothing like it/)).toThrow("no kernel case matches /nothing like it/");
});

test("times kernels beside ceilings of the same run", async () => {
  const { ceilings, results, overhead } = await benchKernels({
    engine: "simd",
    time: 4,
    filter: /KWS 125x64->64, 90|width 144x13/,
    rounds: 2,
  });
  const [dense, sparse, odd, even] = results;
  expect(results.map(({ key }) => key)).toEqual([
    "pointwise KWS 125x64->64",
    "pointwise KWS 125x64->64, 90 % zero blocks",
    "pointwise width 144x13->13",
    "pointwise width 144x16->16",
  ]);
  const multiply = ceilings.find(({ name }) => name === "multiply")!.giga_per_second;
  const requantize = ceilings.find(({ name }) => name === "requantize float")!.giga_per_second;
  for (const row of results) {
    expect(row.microseconds).toBeGreaterThan(0);
    expect(row.gmacs_per_second).toBeCloseTo(row.macs / row.microseconds / 1000, 9);
    expect(row.ceiling_share).toBeCloseTo(row.gmacs_per_second! / multiply, 9);
    const least = row.macs / multiply + row.elements / requantize;
    expect(row.requantized_ceiling_share).toBeCloseTo(least / row.microseconds / 1000, 9);
  }
  expect(dense!.requantization).toEqual({ float: 64, floatBySign: 0, integer: 0, plain: 0 });
  expect(dense).toMatchObject({ macs: 512_000, elements: 8000, beside: null, speed_by_beside: null });
  expect(sparse!.beside).toBe(dense!.key);
  expect(odd!.beside).toBe(even!.key);
  expect(odd!.speed_by_beside).toBeGreaterThan(0);
  for (const nanoseconds of Object.values(overhead)) expect(nanoseconds).toBeGreaterThan(0);

  expect(formatCeilings(ceilings)).toMatch(/^multiply +[\d.]+ GMAC\/s +[\d.]+ %$/m);
  expect(formatKernels(results, overhead)).toMatch(
    /^pointwise width 144x13->13 +24,336 .* [\d.]+x +pointwise width 144x16->16$/m,
  );
});

test("the scalar build has no share of SIMD ceilings", async () => {
  const { results } = await benchKernels({ engine: "scalar", time: 2, filter: /width 144x16/, rounds: 1 });
  expect(results[0]).toMatchObject({
    engine: "scalar",
    ceiling_share: null,
    requantized_ceiling_share: null,
  });
});

test("the ceilings do the arithmetic that they are named after", async () => {
  const { ceilings } = await importBench<CeilingsModule>("ceilings/index.mjs", "the test");
  const loops = new Map((await ceilings()).map((one) => [one.name, one]));
  const pairs = 64;
  const columns = Int16Array.from({ length: 4 * pairs * 2 }, (_, i) => ((i * 37) % 255) - 127);
  const weights = Int16Array.from({ length: pairs * 16 }, (_, i) => ((i * 91) % 255) - 127);
  const sum = (pixel: number, channel: number) => {
    let total = 0;
    for (let k = 0; k < pairs; k++) {
      const x = (pixel * pairs + k) * 2;
      const w = k * 16 + channel * 2;
      total += columns[x]! * weights[w]! + columns[x + 1]! * weights[w + 1]!;
    }
    return total;
  };
  // One pass: lanes 0 and 3 of the eight accumulators, each folded by exclusive or.
  const lane = (n: number) => {
    let folded = 0;
    for (let pixel = 0; pixel < 4; pixel++) folded ^= sum(pixel, n) ^ sum(pixel, n + 4);
    return folded;
  };
  const multiply = loops.get("multiply")!;
  expect(multiply.run(1)).toBe((lane(0) + lane(3)) | 0);
  expect(multiply.work).toBe(4 * 8 * 2 * pairs);
  expect([...loops.keys()]).toEqual(["multiply", "depthwise", "requantize float", "requantize double"]);
});
