/**
 * The network: what its layers are, how they are trained (TensorFlow.js on WebAssembly), and how batch
 * normalisation folds into their weights. Weights have the `.tflite` layouts: conv [O, 3, 3, 1],
 * depthwise [1, 3, 3, C], pointwise and dense [O, I].
 */

import * as tf from "@tensorflow/tfjs";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { CLASSES, randomFrom, SIZE } from "./data.mjs";

/**
 * Every layer is a convolution with batch normalisation and ReLU; average pool and dense layer follow.
 * `height` is that of the output, which is as wide as it is high.
 */
export const LAYERS = [
  { kind: "conv", stride: 2, inputs: 1, channels: 16, height: 14 },
  { kind: "depthwise", stride: 2, inputs: 16, channels: 16, height: 7 },
  { kind: "pointwise", stride: 1, inputs: 16, channels: 32, height: 7 },
  { kind: "depthwise", stride: 1, inputs: 32, channels: 32, height: 7 },
  { kind: "pointwise", stride: 1, inputs: 32, channels: 48, height: 7 },
  { kind: "depthwise", stride: 1, inputs: 48, channels: 48, height: 7 },
  { kind: "pointwise", stride: 1, inputs: 48, channels: 64, height: 7 },
];

export const FEATURES = LAYERS.at(-1).channels;
export const POOL = LAYERS.at(-1).height;

const EPSILON = 1e-3;
const SHAPES = {
  conv: ({ channels }) => [channels, 3, 3, 1],
  depthwise: ({ channels }) => [1, 3, 3, channels],
  pointwise: ({ channels, inputs }) => [channels, inputs],
};

export async function startBackend() {
  setThreadsCount(1); // one thread adds in one order: the same seed gives the same network
  await tf.setBackend("wasm");
}

/** Fresh parameters: what gradients change, `{ shape, values }` by name. */
export function initialParameters(seed) {
  const random = randomFrom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const filled = (shape, fill) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, fill),
  });
  const parameters = {};
  LAYERS.forEach((layer, i) => {
    const fanIn = layer.kind === "pointwise" ? layer.inputs : 9;
    parameters[`${i}.weights`] = filled(SHAPES[layer.kind](layer), () => normal() * Math.sqrt(2 / fanIn));
    parameters[`${i}.gamma`] = filled([1, layer.channels], () => 1);
    parameters[`${i}.beta`] = filled([1, layer.channels], () => 0);
  });
  parameters["dense.weights"] = filled([CLASSES, FEATURES], () => normal() * Math.sqrt(1 / FEATURES));
  parameters["dense.bias"] = filled([1, CLASSES], () => 0);
  return parameters;
}

/** Running mean and variance of every layer's pre-activations; not changed by gradients. */
export function initialMoments() {
  return LAYERS.map(({ channels }) => ({
    mean: new Float32Array(channels),
    variance: new Float32Array(channels).fill(1),
  }));
}

/** Pictures of one batch as a tensor [N, 28, 28, 1] of pixel / 255. */
export function pictures(batch) {
  const values = new Float32Array(batch.length * SIZE * SIZE);
  batch.forEach((pixels, i) => {
    values.set(pixels, i * SIZE * SIZE);
  });
  return tf.tidy(() => tf.tensor4d(values, [batch.length, SIZE, SIZE, 1]).div(255));
}

// --- Training -------------------------------------------------------------------------------------------
// The WebAssembly backend lacks the gradient kernels of convolutions. Products of matrices have them, so the
// first convolution is im2col and a product, a pointwise one is a product, and depthwise has its own below.

const NINE = Array.from({ length: 9 }, (_, k) => [Math.floor(k / 3), k % 3]);

/** Sum of every column, [N, C] -> [1, C]; as a product, which the backend does faster than `tf.sum`. */
const columnSums = (x) => tf.matMul(tf.ones([1, x.shape[0]]), x);

/** 3x3 stride-2 SAME patches of one-channel pictures: [N, 2H, 2W, 1] -> [N * H * W, 9]. */
function patches(x) {
  const [batch, height, width] = x.shape;
  const padded = x.pad([
    [0, 0],
    [0, 1],
    [0, 1],
    [0, 0],
  ]);
  const shifted = NINE.map(([ky, kx]) =>
    tf.stridedSlice(padded, [0, ky, kx, 0], [batch, ky + height - 1, kx + width - 1, 1], [1, 2, 2, 1]),
  );
  return tf.concat(shifted, 3).reshape([-1, 9]);
}

/** Undoes a stride of 2 for gradients: puts each pixel at the odd position it was computed at, zeros between. */
function spread(dy) {
  const [n, h, w, c] = dy.shape;
  const columns = tf.concat([tf.zerosLike(dy), dy], 3); // [N, H, W, 2C]: a zero before every pixel
  const rows = columns.reshape([n, h, 2 * w * c]);
  return tf.concat([tf.zerosLike(rows), rows], 2).reshape([n, 2 * h, 2 * w, c]);
}

/** 3x3 depthwise convolution, SAME, with its gradients; x [N, H, W, C], w [1, 3, 3, C]. */
function depthwise(x, w, stride) {
  const channels = x.shape[3];
  const convolve = (input, filter, strides) =>
    tf.depthwiseConv2d(input, filter.reshape([3, 3, channels, 1]), strides, "same");
  return tf.customGrad((x, w, save) => {
    save([x, w]);
    const gradFunc = (dyStrided, [x, w]) => {
      const dy = stride === 2 ? spread(dyStrided) : dyStrided;
      const flipped = tf.reverse(w, [1, 2]);
      const dyPixels = dy.reshape([-1, channels]);
      const padded = x.pad([
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ]);
      const tap = ([ky, kx]) =>
        columnSums(padded.slice([0, ky, kx, 0], x.shape).reshape([-1, channels]).mul(dyPixels));
      return [convolve(dy, flipped, 1), tf.concat(NINE.map(tap), 0).reshape(w.shape)];
    };
    return { value: convolve(x, w, stride), gradFunc };
  })(x, w);
}

/**
 * Logits of a batch with batch statistics.
 *
 * @param p tensors by parameter name
 * @param x [N, 28, 28, 1]
 * @param seen called with (layer index, mean [1, C], variance [1, C])
 */
export function trainingLogits(p, x, seen) {
  const batch = x.shape[0];
  LAYERS.forEach((layer, i) => {
    const { kind, stride, inputs, channels, height } = layer;
    const weights = p[`${i}.weights`];
    let y;
    if (kind === "depthwise") y = depthwise(x, weights, stride).reshape([-1, channels]);
    else {
      const rows = kind === "conv" ? patches(x) : x.reshape([-1, inputs]);
      y = tf.matMul(rows, weights.reshape([channels, -1]), false, true);
    }
    const mean = columnSums(y).div(y.shape[0]);
    const centred = y.sub(mean);
    const variance = columnSums(centred.square()).div(y.shape[0]);
    seen(i, mean, variance);
    const scale = p[`${i}.gamma`].mul(variance.add(EPSILON).rsqrt());
    x = centred.mul(scale).add(p[`${i}.beta`]).relu().reshape([batch, height, height, channels]);
  });
  const features = x.reshape([batch, POOL * POOL, FEATURES]).mean(1);
  return tf.matMul(features, p["dense.weights"], false, true).add(p["dense.bias"]);
}

// --- Inference ------------------------------------------------------------------------------------------

/**
 * Parameters and running moments as plain layers with a bias: one `{ shape, weights, bias }` for every entry
 * of LAYERS, then the dense layer.
 */
export function fold(parameters, moments) {
  const folded = LAYERS.map(({ kind, channels }, i) => {
    const { shape, values } = parameters[`${i}.weights`];
    const gamma = parameters[`${i}.gamma`].values;
    const beta = parameters[`${i}.beta`].values;
    const { mean, variance } = moments[i];
    const scale = gamma.map((g, c) => g / Math.sqrt(variance[c] + EPSILON));
    // Depthwise weights have their channel last, the others first.
    const perChannel = values.length / channels;
    const channel = kind === "depthwise" ? (j) => j % channels : (j) => Math.floor(j / perChannel);
    return {
      shape,
      weights: values.map((w, j) => w * scale[channel(j)]),
      bias: beta.map((b, c) => b - mean[c] * scale[c]),
    };
  });
  const { shape, values } = parameters["dense.weights"];
  return [...folded, { shape, weights: values, bias: parameters["dense.bias"].values }];
}

/** Outputs of the folded network for x [N, 28, 28, 1]: every layer's [N, H, W, C], then the logits [N, 10]. */
export function activations(folded, x) {
  const outputs = LAYERS.map(({ kind, stride, inputs, channels }, i) => {
    const weights = tf.tensor(folded[i].weights);
    if (kind === "depthwise") x = tf.depthwiseConv2d(x, weights.reshape([3, 3, channels, 1]), stride, "same");
    else {
      const kernel = kind === "conv" ? 3 : 1;
      const filter = weights.reshape([channels, kernel * kernel * inputs]).transpose();
      x = tf.conv2d(x, filter.reshape([kernel, kernel, inputs, channels]), stride, "same");
    }
    x = x.add(tf.tensor1d(folded[i].bias)).relu();
    return x;
  });
  const dense = folded.at(-1);
  const logits = tf
    .matMul(x.mean([1, 2]), tf.tensor(dense.weights, dense.shape), false, true)
    .add(tf.tensor1d(dense.bias));
  return [...outputs, logits];
}

/** Fraction of examples whose largest logit is their label. */
export function floatAccuracy(folded, examples) {
  let right = 0;
  for (let start = 0; start < examples.length; start += 250) {
    const batch = examples.slice(start, start + 250);
    const best = tf.tidy(() =>
      activations(folded, pictures(batch.map((example) => example.pixels)))
        .at(-1)
        .argMax(1)
        .dataSync(),
    );
    right += batch.filter((example, i) => example.label === best[i]).length;
  }
  return right / examples.length;
}
