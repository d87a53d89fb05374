// Operators to fit the cost model to: shapes as networks for microcontrollers have them, contents at random.

const windowed = (random, extra = {}) => ({
  padding: random.chance(0.6) ? "SAME" : "VALID",
  activation: "NONE",
  ...extra,
});

function extent(padding, size, kernel, stride, dilation) {
  const reach = (kernel - 1) * dilation + 1;
  return padding === "SAME" ? Math.ceil(size / stride) : Math.floor((size - reach) / stride) + 1;
}

/** A graph of one operator. */
class Sample {
  tensors = [];
  inputs = [];

  constructor(random) {
    this.random = random;
  }

  #add(name, shape, dtype, quantization, data) {
    return this.tensors.push({ name: `${name}${this.tensors.length}`, shape, dtype, quantization, data }) - 1;
  }

  activation(shape, scale, zeroPoint) {
    return this.#add(
      "activation",
      shape,
      "int8",
      { scales: [scale], zeroPoints: [zeroPoint], axis: 0 },
      null,
    );
  }

  input(shape, scale = 2 ** -6, zeroPoint = this.random.integer(-40, 40)) {
    const tensor = this.activation(shape, scale, zeroPoint);
    this.inputs.push(tensor);
    return tensor;
  }

  constant(shape, values, quantization = null) {
    const dtype = values instanceof Int8Array ? "int8" : "int32";
    return this.#add("constant", shape, dtype, quantization, new Uint8Array(values.slice().buffer));
  }

  graph(kind, inputs, output, options) {
    const operator = { kind, inputs, outputs: [output], options };
    return {
      name: kind,
      tensors: this.tensors,
      operators: [operator],
      inputs: this.inputs,
      outputs: [output],
    };
  }

  /**
   * Weights, biases and the output of an operator that sums products: its outputs spread over int8, mostly behind a ReLU.
   *
   * @param shape of the weights, with the output channels at `axis`
   * @param zeros the share of weights that are 0
   */
  weighted(shape, axis, outputShape, zeros = 0) {
    const { random } = this;
    const channels = shape[axis];
    const count = shape.reduce((product, size) => product * size, 1);
    const width = random.chance(0.15) ? 127 : random.integer(15, 50);
    const values = Int8Array.from({ length: count }, () =>
      random.chance(zeros) ? 0 : Math.max(-127, Math.min(127, Math.round(random.normal() * width))),
    );
    const isRelu = random.chance(0.7);
    const fanIn = count / channels;
    // Inputs deviate from their zero point by about 74.
    const scale = 2 ** -6 / width;
    const outputScale = (scale * 2 ** -6 * Math.sqrt(fanIn) * 74 * width) / random.integer(35, 60);
    const one = random.chance(0.2);
    const scales = Array.from({ length: one ? 1 : channels }, () =>
      Math.fround(scale * random.between(0.7, 1.3)),
    );
    const zeroPoints = scales.map(() => 0);
    const weights = this.constant(shape, values, { scales, zeroPoints, axis: one ? 0 : axis });
    const bias = this.constant(
      [channels],
      Int32Array.from({ length: channels }, () =>
        Math.round(random.normal() * Math.sqrt(fanIn) * width * 20),
      ),
      { scales: scales.map((s) => Math.fround(s * 2 ** -6)), zeroPoints, axis: 0 },
    );
    const zeroPoint = isRelu ? -128 : random.integer(-30, 30);
    const output = this.activation(outputShape, Math.fround(outputScale), zeroPoint);
    return { weights, bias, output, activation: isRelu ? "RELU" : "NONE" };
  }
}

const channelCount = (random, most) =>
  Math.min(most, random.chance(0.5) ? 8 * random.integer(1, 16) : random.integer(1, 70));

/** Sides of a map of at most so many elements a channel. */
function map(random, most) {
  for (;;) {
    const [height, width] = [random.integer(1, 40), random.integer(1, 40)];
    const square = random.chance(0.4) ? [height, height] : [height, width];
    if (square[0] * square[1] <= most) return square;
  }
}

function kernelOf(random, height, width, mayDilate, padding) {
  const side = random.chance(0.65) ? 3 : random.integer(1, 10);
  const kernel = random.chance(0.7) ? [side, side] : [side, random.integer(1, 8)];
  const step = random.chance(0.6) ? 1 : random.integer(2, 3);
  const dilation = mayDilate && step === 1 && random.chance(0.1) ? 2 : 1;
  if (padding === "VALID" && ((kernel[0] - 1) * dilation >= height || (kernel[1] - 1) * dilation >= width))
    return null;
  return { kernel, step, dilation };
}

function pointwise(random) {
  const sample = new Sample(random);
  const [height, width] = map(random, 60);
  const [inputs, outputs] = [channelCount(random, 256), channelCount(random, 256)];
  const x = sample.input([1, height, width, inputs]);
  const zeros = random.chance(0.3) ? random.between(0.4, 0.95) : 0;
  const { weights, bias, output, activation } = sample.weighted(
    [outputs, 1, 1, inputs],
    0,
    [1, height, width, outputs],
    zeros,
  );
  const window = { strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1, padding: "SAME" };
  return sample.graph("CONV_2D", [x, weights, bias], output, { ...window, activation });
}

function windowOptions({ step, dilation }, padding, activation) {
  return {
    padding,
    strideHeight: step,
    strideWidth: step,
    dilationHeight: dilation,
    dilationWidth: dilation,
    activation,
  };
}

function conv(random) {
  for (;;) {
    const sample = new Sample(random);
    const [height, width] = map(random, random.chance(0.2) ? 20 : 700);
    const { padding } = windowed(random);
    const geometry = kernelOf(random, height, width, true, padding);
    if (!geometry) continue;
    const { kernel, step, dilation } = geometry;
    const groups = random.chance(0.2) ? random.integer(2, random.chance(0.5) ? 4 : 32) : 1;
    const batch = random.chance(0.1) ? random.integer(2, 4) : 1;
    const depth = random.chance(0.3) ? random.integer(1, 3) : random.integer(1, 48);
    const outputs = groups * random.integer(1, groups > 4 ? 4 : random.chance(0.3) ? 96 : 32);
    const out = [0, 1].map((d) => extent(padding, [height, width][d], kernel[d], step, dilation));
    if (out[0] * out[1] * outputs * depth * kernel[0] * kernel[1] > 5e5) continue;
    const x = sample.input([batch, height, width, depth * groups]);
    const zeros = random.chance(0.1) ? random.between(0.4, 0.95) : 0;
    const layer = sample.weighted([outputs, ...kernel, depth], 0, [batch, ...out, outputs], zeros);
    const options = windowOptions(geometry, padding, layer.activation);
    return sample.graph("CONV_2D", [x, layer.weights, layer.bias], layer.output, options);
  }
}

function depthwise(random) {
  for (;;) {
    const sample = new Sample(random);
    const [height, width] = map(random, 1200);
    const { padding } = windowed(random);
    const geometry = kernelOf(random, height, width, true, padding);
    if (!geometry) continue;
    const { kernel, step, dilation } = geometry;
    const multiplier = random.chance(0.1) ? random.integer(2, 4) : 1;
    const inputs = channelCount(random, 64);
    const outputs = inputs * multiplier;
    const out = [0, 1].map((d) => extent(padding, [height, width][d], kernel[d], step, dilation));
    if (out[0] * out[1] * outputs * kernel[0] * kernel[1] > 1.5e5) continue;
    const x = sample.input([1, height, width, inputs]);
    const layer = sample.weighted([1, ...kernel, outputs], 3, [1, ...out, outputs]);
    const options = { ...windowOptions(geometry, padding, layer.activation), depthMultiplier: multiplier };
    return sample.graph("DEPTHWISE_CONV_2D", [x, layer.weights, layer.bias], layer.output, options);
  }
}

function fullyConnected(random) {
  const sample = new Sample(random);
  const batch = random.chance(0.8) ? 1 : random.integer(2, 5);
  const inputs = random.chance(0.5) ? 8 * random.integer(1, 80) : random.integer(1, 600);
  const outputs = random.chance(0.5) ? random.integer(1, 16) : random.integer(1, 160);
  const x = sample.input([batch, inputs]);
  const { weights, bias, output, activation } = sample.weighted([outputs, inputs], 0, [batch, outputs]);
  return sample.graph("FULLY_CONNECTED", [x, weights, bias], output, { activation, keepNumDims: false });
}

const pool = (kind) => (random) => {
  for (;;) {
    const sample = new Sample(random);
    const [height, width] = map(random, 1000);
    const { padding } = windowed(random);
    const isGlobal = random.chance(0.4);
    const geometry = isGlobal
      ? { kernel: [height, width], step: 1, dilation: 1 }
      : kernelOf(random, height, width, false, padding);
    if (!geometry) continue;
    const { kernel, step } = geometry;
    const channels = channelCount(random, 128);
    const kind0 = isGlobal ? "VALID" : padding;
    const out = [0, 1].map((d) => extent(kind0, [height, width][d], kernel[d], step, 1));
    if (out[0] * out[1] * channels * kernel[0] * kernel[1] > 1e5) continue;
    const x = sample.input([1, height, width, channels], 2 ** -6, 0);
    const output = sample.activation([1, ...out, channels], 2 ** -6, 0);
    return sample.graph(kind, [x], output, {
      padding: kind0,
      strideHeight: step,
      strideWidth: step,
      filterHeight: kernel[0],
      filterWidth: kernel[1],
      activation: "NONE",
    });
  }
};

/** A map, and what is to be joined with it: another one, or a row of channels. */
function operands(random) {
  const sample = new Sample(random);
  const [height, width] = map(random, 400);
  const channels = channelCount(random, 64);
  const shape = [1, height, width, channels];
  const other = random.chance(0.6) ? shape : [1, 1, 1, channels];
  return { sample, shape, other };
}

const binary = (kind) => (random) => {
  const { sample, shape, other } = operands(random);
  const a = sample.input(shape, 2 ** -6);
  const b = sample.input(other, Math.fround(random.between(0.5, 1) * 2 ** -6));
  const scale = kind === "MUL" ? random.between(0.3, 1) : random.between(1.2, 2.5) * 2 ** -6;
  const output = sample.activation(shape, Math.fround(scale), random.integer(-20, 20));
  return sample.graph(kind, [a, b], output, { activation: random.chance(0.5) ? "RELU" : "NONE" });
};

/** Of scales and zero points for which the planner finds no constants: three roundings. */
const roundedBinary = (kind) => (random) => {
  const { sample, shape, other } = operands(random);
  const inputs = [sample.input(shape, 1, 3), sample.input(other, 0.75, -7)];
  return sample.graph(kind, inputs, sample.activation(shape, 1, 10), { activation: "NONE" });
};

const single = (kind) => (random) => {
  const sample = new Sample(random);
  const [height, width] = map(random, 400);
  const shape = [1, height, width, channelCount(random, 64)];
  const x = sample.input(shape, 2 ** -5);
  const [scale, zeroPoint] = kind === "LOGISTIC" ? [1 / 256, -128] : [Math.fround(1.3 * 2 ** -5), -20];
  return sample.graph(kind, [x], sample.activation(shape, scale, zeroPoint), {});
};

function softmax(random) {
  const sample = new Sample(random);
  const shape = [random.chance(0.7) ? 1 : random.integer(2, 20), random.integer(2, 40)];
  const x = sample.input(shape, Math.fround(2 ** random.between(-5, -2.5)));
  return sample.graph("SOFTMAX", [x], sample.activation(shape, 1 / 256, -128), { beta: 1 });
}

function pad(random) {
  const sample = new Sample(random);
  const [height, width] = map(random, 500);
  const channels = channelCount(random, 40);
  const around = [0, 1, 2, 3].map((d) =>
    d === 1 || d === 2 || (d === 3 && random.chance(0.2))
      ? [random.integer(0, 3), random.integer(0, 3)]
      : [0, 0],
  );
  const shape = [1, height, width, channels];
  const padded = shape.map((size, d) => size + around[d][0] + around[d][1]);
  const x = sample.input(shape, 2 ** -6, 3);
  const paddings = sample.constant([4, 2], Int32Array.from(around.flat()));
  return sample.graph("PAD", [x, paddings], sample.activation(padded, 2 ** -6, 3), {});
}

function mean(random) {
  const sample = new Sample(random);
  const [height, width] = map(random, 300);
  const channels = channelCount(random, 128);
  const x = sample.input([1, height, width, channels], 2 ** -6);
  const reduced = random.chance(0.7) ? [1, 2] : [random.integer(1, 3)];
  const axes = sample.constant([reduced.length], Int32Array.from(reduced));
  const shape = [1, height, width, channels].map((size, d) => (reduced.includes(d) ? 1 : size));
  const output = sample.activation(shape, Math.fround(random.between(0.2, 1) * 2 ** -6), 0);
  return sample.graph("MEAN", [x, axes], output, { keepDims: true });
}

function concatenation(random) {
  const sample = new Sample(random);
  const [height, width] = map(random, 300);
  const axis = random.chance(0.7) ? 3 : random.integer(1, 2);
  const parts = Array.from({ length: random.integer(1, 3) }, () => {
    const shape = [1, height, width, random.chance(0.5) ? 4 * random.integer(1, 16) : random.integer(1, 40)];
    return shape;
  });
  const shapes = axis === 3 ? parts : parts.map((shape) => [...shape.slice(0, 3), parts[0][3]]);
  const size = shapes.reduce((total, shape) => total + shape[axis], 0);
  const inputs = shapes.map((shape) => sample.input(shape, 2 ** -6, 3));
  const output = sample.activation(shapes[0].with(axis, size), 2 ** -6, 3);
  return sample.graph("CONCATENATION", inputs, output, { axis, activation: "NONE" });
}

/** A graph of so many small operators. */
export function chain(length) {
  const affine = { scales: [1], zeroPoints: [0], axis: 0 };
  return {
    name: "chain",
    tensors: Array.from({ length: length + 1 }, (_, i) => {
      return { name: `t${i}`, shape: [4], dtype: "int8", quantization: affine, data: null };
    }),
    operators: Array.from({ length }, (_, i) => ({
      kind: "RELU",
      inputs: [i],
      outputs: [i + 1],
      options: {},
    })),
    inputs: [0],
    outputs: [length],
  };
}

/** By kernel: how its operators are made, and how many of them are measured. */
export const SAMPLES = {
  conv_s8: [[conv], 150],
  pointwise_s8: [[pointwise], 100],
  depthwise_s8: [[depthwise], 150],
  fully_connected_s8: [[fullyConnected], 60],
  avg_pool_s8: [[pool("AVERAGE_POOL_2D")], 60],
  max_pool_s8: [[pool("MAX_POOL_2D")], 40],
  add_s8: [[binary("ADD"), binary("SUB"), roundedBinary("ADD")], 60],
  mul_s8: [[binary("MUL")], 30],
  lookup_s8: [[single("RELU"), single("LOGISTIC"), single("QUANTIZE")], 12],
  softmax_s8: [[softmax], 40],
  pad_s8: [[pad], 40],
  mean_s8: [[mean], 40],
  copy_s8: [[concatenation], 50],
};
