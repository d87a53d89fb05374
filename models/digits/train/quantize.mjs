/**
 * Makes ../digits.tflite from build/checkpoint.json: batch normalisation folded, then post-training int8
 * quantisation (weights symmetric per channel, activations asymmetric, biases int32) with activation ranges
 * measured on training pictures.
 *
 *   node quantize.mjs        (needs the project built: `npm run build` at its root)
 */

import { writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { tfliteFromGraph } from "../../../dist/graph/to-tflite.js";
import { writeTflite } from "../../../dist/tflite/index.js";
import { loadCheckpoint } from "./checkpoint.mjs";
import { CLASSES, distort, here, loadDigits, randomFrom, SIZE } from "./data.mjs";
import { activations, FEATURES, fold, LAYERS, POOL, pictures, startBackend } from "./network.mjs";

const CALIBRATION_PICTURES = 1000;
const PADDING = { padding: "SAME", dilationHeight: 1, dilationWidth: 1 };

const state = loadCheckpoint();
if (state === null || state.epoch < state.epochs) {
  console.error("train to the end first: npm run train");
  process.exit(1);
}
await startBackend();
const folded = fold(state.parameters, state.moments);
const bytes = writeTflite(tfliteFromGraph(buildGraph(folded, measureRanges(folded, state.seed))));
writeFileSync(here("../digits.tflite"), bytes);
writeFileSync(here("../labels.txt"), Array.from({ length: CLASSES }, (_, digit) => `${digit}\n`).join(""));
console.log(`digits.tflite: ${bytes.length} bytes. Next: npm run evaluate`);

/** Smallest and largest value of every layer's output and of the logits, on clean and distorted pictures. */
function measureRanges(folded, seed) {
  const random = randomFrom(seed);
  const { training } = loadDigits();
  const ranges = [...LAYERS, "logits"].map(() => ({ min: 0, max: 0 }));
  for (let i = 0; i < CALIBRATION_PICTURES; i += 50) {
    const batch = Array.from({ length: 50 }, (_, j) => {
      const { pixels } = training[Math.floor(random() * training.length)];
      return j % 2 === 0 ? pixels : distort(pixels, random);
    });
    tf.tidy(() => {
      activations(folded, pictures(batch)).forEach((output, layer) => {
        ranges[layer].min = Math.min(ranges[layer].min, output.min().dataSync()[0]);
        ranges[layer].max = Math.max(ranges[layer].max, output.max().dataSync()[0]);
      });
    });
  }
  return ranges;
}

/** The int8 network as thumbnet's graph (src/graph/graph.ts). */
function buildGraph(folded, ranges) {
  const tensors = [];
  const operators = [];
  const add = (name, shape, dtype, quantization, data = null) =>
    tensors.push({ name, shape, dtype, quantization, data }) - 1;
  const apply = (kind, inputs, output, options) =>
    operators.push({ kind, inputs, outputs: [output], options });

  /** Adds a layer's int8 weights and int32 biases; returns their tensor indices. */
  const addWeights = (name, { shape, weights, bias }, inputScale, axis, perChannel) => {
    const channels = bias.length;
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const group = (i) => (perChannel ? Math.floor(i / inner) % channels : 0);
    const largest = new Float64Array(perChannel ? channels : 1);
    weights.forEach((w, i) => {
      largest[group(i)] = Math.max(largest[group(i)], Math.abs(w));
    });
    // A channel of zeros gets any scale.
    const scales = Array.from(largest, (w) => Math.fround((w || 1) / 127));
    const scale = (c) => scales[perChannel ? c : 0];
    const biasScales = scales.map((s) => Math.fround(s * inputScale));
    const quantized = Int8Array.from(weights, (w, i) => Math.round(w / scales[group(i)]));
    const biases = Int32Array.from(bias, (b, c) => Math.round(b / (scale(c) * inputScale)));
    const zeros = scales.map(() => 0);
    return [
      add(
        `${name}/weights`,
        shape,
        "int8",
        { scales, zeroPoints: zeros, axis: perChannel ? axis : 0 },
        new Uint8Array(quantized.buffer),
      ),
      add(
        `${name}/bias`,
        [channels],
        "int32",
        { scales: biasScales, zeroPoints: zeros, axis: 0 },
        new Uint8Array(biases.buffer),
      ),
    ];
  };

  // Pixel p is p / 255, and its int8 value p - 128.
  let scale = Math.fround(1 / 255);
  let x = add("picture", [1, SIZE, SIZE, 1], "int8", perTensor(scale, -128));
  LAYERS.forEach(({ kind, stride, channels, height }, i) => {
    const name = `${i}_${kind}`;
    const shape = kind === "pointwise" ? [folded[i].shape[0], 1, 1, folded[i].shape[1]] : folded[i].shape;
    const axis = kind === "depthwise" ? 3 : 0;
    const inputs = [x, ...addWeights(name, { ...folded[i], shape }, scale, axis, true)];
    const quantization = forRange(ranges[i]);
    [scale] = quantization.scales;
    x = add(name, [1, height, height, channels], "int8", quantization);
    const options = { ...PADDING, strideHeight: stride, strideWidth: stride, activation: "RELU" };
    if (kind === "depthwise") apply("DEPTHWISE_CONV_2D", inputs, x, { ...options, depthMultiplier: 1 });
    else apply("CONV_2D", inputs, x, options);
  });

  const pooled = add("pool", [1, 1, 1, FEATURES], "int8", tensors[x].quantization);
  const window = { filterHeight: POOL, filterWidth: POOL, strideHeight: POOL, strideWidth: POOL };
  apply("AVERAGE_POOL_2D", [x], pooled, { ...window, padding: "VALID", activation: "NONE" });
  const dense = addWeights("dense", folded.at(-1), scale, 0, false);
  const logits = add("logits", [1, CLASSES], "int8", forRange(ranges.at(-1)));
  apply("FULLY_CONNECTED", [pooled, ...dense], logits, { activation: "NONE", keepNumDims: false });
  const probabilities = add("probabilities", [1, CLASSES], "int8", perTensor(1 / 256, -128));
  apply("SOFTMAX", [logits], probabilities, { beta: 1 });

  const [picture] = operators[0].inputs;
  return { name: "digits", tensors, operators, inputs: [picture], outputs: [probabilities] };
}

function perTensor(scale, zeroPoint) {
  return { scales: [scale], zeroPoints: [zeroPoint], axis: 0 };
}

/** int8 -128 … 127 over the range; real 0 falls on an integer. */
function forRange({ min, max }) {
  const scale = Math.fround((max - min) / 255);
  return perTensor(scale, Math.round(-128 - min / scale));
}
