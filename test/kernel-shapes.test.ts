// Layers of the size of real networks, and of odd sizes: the vector kernels give the bytes of the plain ones. Random
// networks are too small to reach every path: bands of rows, Winograd's tiles, turned and narrow pictures.
import { expect, it } from "vitest";
import { type Layer, layerGraph } from "../src/bench/layer.ts";
import type { Activation, Graph } from "../src/graph/graph.ts";
import { loadModel } from "../src/index.ts";
import { compileGraph } from "../src/plan/compile.ts";
import { SOAK } from "./support/implementations.ts";
import { Random } from "./support/random.ts";

type Pair = readonly [number, number];

function conv(size: Pair, depth: number, channels: number, kernel: Pair, rest: Partial<Layer> = {}): Layer {
  return { kind: "CONV_2D", input: [1, ...size, depth], channels, kernel, ...rest };
}

function depthwise(
  size: Pair,
  channels: number,
  kernel: Pair,
  stride: Pair = [1, 1],
  rest: Partial<Layer> = {},
) {
  const kind = "DEPTHWISE_CONV_2D" as const;
  return { kind, input: [1, ...size, channels], kernel, stride, ...rest };
}

const THREE: Pair = [3, 3];
const LAYERS: readonly Layer[] = [
  // Winograd: whole and broken tiles, odd and even channels, the limits
  conv([8, 8], 16, 16, THREE),
  conv([9, 7], 17, 19, THREE),
  conv([7, 13], 33, 24, THREE, { padding: "VALID" }),
  conv([6, 6], 64, 64, THREE),
  conv([5, 11], 57, 21, THREE),
  conv([3, 8], 24, 16, THREE),
  // beside it: too many channels, a stride
  conv([6, 6], 65, 16, THREE),
  conv([10, 9], 16, 16, THREE, { stride: [2, 2] }),
  // pixels that four do not divide, channels that eight do not
  ...[1, 2, 3, 5, 33, 150].flatMap((pixels) =>
    [3, 5, 13, 27].map((width) => conv([1, pixels], width, width, [1, 1])),
  ),
  ...[2, 4, 6, 7, 8, 10, 11, 12].flatMap((pixels) =>
    [1, 2, 3, 4, 5, 6, 7, 8].map((over) => conv([1, pixels], 9, over + (pixels & 8), [1, 1])),
  ),
  ...Array.from({ length: 40 }, (_, i) => conv([1, 19], 11, i + 1, [1, 1])),
  conv([15, 15], 300, 11, [1, 1]),
  ...[1, 2, 4, 6].map((channels) => conv([13, 12], 3, channels, THREE, { stride: [2, 2] })),
  conv([20, 20], 300, 9, [1, 1]),
  conv([9, 9], 24, 17, [1, 1], { stride: [2, 2] }),
  conv([9, 9], 24, 17, [1, 1], { zeroBlocks: 0.8 }),
  conv([25, 9], 1, 12, [10, 4], { stride: [2, 2] }),
  // depthwise: bands, turned pictures, fewer columns than a step, one row or column
  depthwise([50, 50], 8, THREE),
  depthwise([49, 51], 12, THREE, [2, 2]),
  ...[1, 2, 3, 4, 5, 6, 7, 9].flatMap((width) =>
    [[1, 1] as Pair, [2, 2] as Pair].map((stride) => depthwise([11, width], 13, THREE, stride)),
  ),
  depthwise([11, 2], 3, THREE),
  ...[1, 4, 6].flatMap((channels) => [
    depthwise([9, 10], channels, THREE),
    depthwise([9, 10], channels, THREE, [2, 2]),
  ]),
  // one column: a part of the rows inside, padding above and below, one output
  depthwise([30, 1], 12, [5, 1]),
  depthwise([7, 1], 9, [9, 1]),
  depthwise([2, 1], 9, [5, 1], [2, 1]),
  depthwise([16, 1], 24, [16, 1], [1, 1], { padding: "VALID" }),
  depthwise([1, 15], 11, [1, 15], [1, 1], { padding: "VALID" }),
  depthwise([600, 1], 8, [4, 1], [3, 1]),
  depthwise([30, 1], 40, [5, 1], [1, 1], { padding: "VALID" }),
  depthwise([1, 30], 20, [1, 10]),
  depthwise([30, 1], 9, [15, 1], [2, 1]),
  depthwise([1, 200], 8, [1, 3], [1, 3]),
  depthwise([12, 12], 11, [5, 5]),
  depthwise([13, 12], 11, [4, 2], [3, 2]),
  depthwise([9, 9], 10, [2, 3], [1, 2]),
];

/** Weights and inputs at the ends of their ranges: sums as large as they can be. */
function withExtremes(graph: Graph, random: Random): Graph {
  const tensors = graph.tensors.map((tensor) => {
    if (tensor.dtype !== "int8" || tensor.data === null) return tensor;
    return { ...tensor, data: tensor.data.map((w) => (w === 0 ? 0 : random.integer(0, 1) ? 127 : 128)) };
  });
  return { ...graph, tensors };
}

function nameOf({ kind, input, channels, kernel, stride = [1, 1], padding = "SAME" }: Layer): string {
  return `${kind} [${input}] to ${channels ?? "as many"} channels, ${kernel?.join("x")} by ${stride.join("x")}, ${padding}`;
}

const ACTIVATIONS: readonly Activation[] = ["NONE", "RELU", "RELU6"];

/** Runs a layer on both engines, with weights and inputs of the usual size and at the ends of their ranges. */
async function compare(layer: Layer, activation: Activation, seed: number): Promise<Set<number>> {
  const seen = new Set<number>();
  for (const isExtreme of [false, true]) {
    const random = new Random(seed);
    const graph = layerGraph({ ...layer, activation });
    const image = compileGraph(isExtreme ? withExtremes(graph, random) : graph, { target: "wasm" });
    const plain = await loadModel(image, { engine: "scalar" });
    const simd = await loadModel(image, { engine: "simd" });
    const input = Int8Array.from({ length: plain.inputs[0]!.elements }, () =>
      isExtreme ? random.integer(0, 1) * 255 - 128 : random.integer(-128, 127),
    );
    const what = `${nameOf(layer)}, ${activation}, extremes ${isExtreme}`;
    const [expected, found] = [plain.run(input), simd.run(input)];
    const wrong = found.findIndex((q, i) => q !== expected[i]);
    expect(wrong, `${what}: element ${wrong}`).toBe(-1);
    // What lies beside the output is left as it was.
    const [before, after] = [plain, simd].map((model) => model.trace(input, { arena: true })[0]!.arena!);
    expect(Buffer.compare(before!, after!), `${what}: arena`).toBe(0);
    for (const q of expected) seen.add(q);
  }
  return seen;
}

it.each(LAYERS.map((layer) => ({ name: nameOf(layer), layer })))("$name", async ({ layer }) => {
  const seen = new Set<number>();
  for (const [seed, activation] of ACTIVATIONS.entries()) {
    for (const q of await compare(layer, activation, seed + 1)) seen.add(q);
  }
  expect(seen.size, "outputs that vary").toBeGreaterThan(1);
});

/** Layers wide enough for every path, which those of random networks are not. */
function randomLayer(random: Random): Layer {
  const any = (low: number, high: number) => random.integer(low, high);
  const padding = any(0, 2) ? ("SAME" as const) : ("VALID" as const);
  const kernel: Pair = [any(1, 5), any(1, 5)];
  switch (any(0, 3)) {
    case 0:
      return conv([any(3, 12), any(5, 14)], any(16, 66), any(16, 40), THREE, { padding });
    case 1: {
      const [depth, channels] = [any(1, 70), any(1, 40)];
      const zeroBlocks = depth >= 16 && channels >= 16 ? any(0, 2) * 0.3 : 0;
      return conv([any(1, 9), any(1, 20)], depth, channels, [1, 1], { zeroBlocks });
    }
    case 2:
      return depthwise(
        [any(5, 20), any(0, 2) ? any(5, 16) : 1],
        any(1, 30),
        any(0, 1) ? THREE : kernel,
        [any(1, 3), any(1, 3)],
        {
          padding: "SAME",
        },
      );
    default:
      return conv([any(5, 12), any(5, 12)], any(1, 20), any(1, 20), kernel, {
        stride: [any(1, 3), any(1, 3)],
        padding,
      });
  }
}

it("random layers", async () => {
  const seen = new Set<number>();
  for (let seed = 0; seed < (SOAK ? 3000 : 150); seed++) {
    const random = new Random(seed);
    const layer = randomLayer(random);
    for (const q of await compare(layer, ACTIVATIONS[seed % 3]!, seed)) seen.add(q);
  }
  expect(seen.size, "outputs that vary").toBe(256);
});

it.each([-128, 127])("an average over 400 times %i", async (value) => {
  const layer: Layer = {
    kind: "AVERAGE_POOL_2D",
    input: [1, 20, 20, 13],
    kernel: [20, 20],
    padding: "VALID",
  };
  const model = await loadModel(compileGraph(layerGraph({ ...layer, activation: "NONE" })), {
    engine: "simd",
  });
  const found = model.run(new Int8Array(model.inputs[0]!.elements).fill(value));
  expect(Array.from(found)).toEqual(Array(13).fill(value));
});
