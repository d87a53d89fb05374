// @ts-check
/**
 * How much faster a network of half the width is: node bench/half-width.mjs MODEL.tflite [--json]
 *
 * The model's layers with seeded random weights, whole and with half of the channels of every tensor between input and
 * output, in turns. Random weights leave nothing to skip and no channel constant.
 */
import { readFileSync } from "node:fs";
import { measureRounds, pairedRatio } from "../dist/bench/rounds.js";
import { Random } from "../dist/data/random.js";
import { graphFromTflite } from "../dist/graph/from-tflite.js";
import { loadModel } from "../dist/index.js";
import { compileGraph } from "../dist/plan/compile.js";
import { readTflite } from "../dist/tflite/read.js";

const [path, ...flags] = process.argv.slice(2);
if (!path) {
  console.error("usage: node bench/half-width.mjs MODEL.tflite [--json]");
  process.exit(1);
}
const whole = graphFromTflite(readTflite(new Uint8Array(readFileSync(path)), path), path);

/**
 * The graph with every inner activation `divisor` times narrower, and random weights.
 *
 * @param {number} divisor
 */
function narrowed(divisor) {
  const random = new Random(divisor);
  const edges = new Set([...whole.inputs, ...whole.outputs]);
  for (const op of whole.operators) if (op.kind === "SOFTMAX") edges.add(op.inputs[0]);
  /** @type {Map<number, readonly number[]>} */
  const shapes = new Map();
  whole.tensors.forEach(({ data, shape }, t) => {
    if (data === null && !edges.has(t))
      shapes.set(t, [...shape.slice(0, -1), Math.ceil((shape.at(-1) ?? 1) / divisor)]);
  });
  const channels = (/** @type {number} */ t) => (shapes.get(t) ?? whole.tensors[t]?.shape ?? []).at(-1) ?? 1;
  const tensors = whole.tensors.map((tensor, t) =>
    shapes.has(t) ? { ...tensor, shape: shapes.get(t) ?? [] } : tensor,
  );
  for (const { kind, inputs, outputs } of whole.operators) {
    const [input = -1, weights = -1, bias = -1] = inputs;
    const out = channels(outputs[0] ?? -1);
    const old = whole.tensors[weights];
    if (old && kind === "RESHAPE") {
      const target = tensors[outputs[0] ?? -1]?.shape ?? [];
      tensors[weights] = { ...old, data: new Uint8Array(Int32Array.from(target).buffer) };
    }
    if (!old || !["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"].includes(kind)) continue;
    const inner = old.shape.slice(1, -1);
    const shape = kind === "DEPTHWISE_CONV_2D" ? [1, ...inner, out] : [out, ...inner, channels(input)];
    const cut = (/** @type {typeof old} */ { quantization }, /** @type {number} */ count) =>
      quantization && quantization.scales.length > 1
        ? {
            ...quantization,
            scales: quantization.scales.slice(0, count),
            zeroPoints: quantization.zeroPoints.slice(0, count),
          }
        : quantization;
    const elements = shape.reduce((a, b) => a * b, 1);
    const data = Int8Array.from({ length: elements }, () => random.integer(-127, 127));
    tensors[weights] = { ...old, shape, quantization: cut(old, out), data: new Uint8Array(data.buffer) };
    const oldBias = whole.tensors[bias];
    if (oldBias) {
      const values = new Uint8Array(4 * out);
      tensors[bias] = { ...oldBias, shape: [out], quantization: cut(oldBias, out), data: values };
    }
  }
  return { ...whole, tensors };
}

const runs = [];
for (const divisor of [1, 2]) {
  const image = compileGraph(narrowed(divisor), { foldConstants: false, target: "wasm" });
  const model = await loadModel(image);
  const random = new Random(1);
  const input = Int8Array.from({ length: model.inputs[0]?.elements ?? 0 }, () => random.integer(-128, 127));
  runs.push(() => model.run(input));
}
const [full, half] = await measureRounds(runs, { time: 1500 });
if (!full || !half) throw new Error("nothing was measured");
const result = {
  whole_microseconds: full.microseconds,
  half_microseconds: half.microseconds,
  ratio: pairedRatio(full, half),
};
if (flags.includes("--json")) console.log(JSON.stringify(result));
else {
  const [a, b] = [full, half].map(({ microseconds }) => microseconds.toFixed(1));
  console.log(`whole ${a} us, half the width ${b} us: ${result.ratio.toFixed(2)} times faster`);
}
