/**
 * Gradients of TensorFlow.js kernels. `@tensorflow/tfjs-core` registers none in its Node build (the bundle
 * `@tensorflow/tfjs` does, which is four times as big), so those that training needs are here. What is already
 * registered stays.
 */
import * as tf from "@tensorflow/tfjs-core";
import { type Attributes, hasKernel } from "./kernels/kernel.ts";
import { RELU_GRADIENT } from "./kernels/relu.ts";

type Gradient = (dy: tf.Tensor, saved: tf.Tensor[], attrs: Attributes) => tf.Tensor;

/** A kernel of one input named `input`. */
function unary(
  kernelName: string,
  saves: "x" | "y" | "xy" | "",
  gradient: Gradient,
  input = "x",
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: saves.includes("x") ? [input] : [],
    outputsToSave: saves.includes("y") ? [true] : [],
    gradFunc: (dy, saved, attrs) => ({ [input]: () => gradient(dy as tf.Tensor, saved, attrs) }),
  };
}

/** A broadcasting kernel of inputs a and b: gradients by both, before the sum over broadcast axes. */
function binary(kernelName: string, byA: Gradient, byB: Gradient): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ["a", "b"],
    gradFunc: (dy, saved, attrs) => ({
      a: () => unbroadcast(byA(dy as tf.Tensor, saved, attrs), saved[0]!.shape),
      b: () => unbroadcast(byB(dy as tf.Tensor, saved, attrs), saved[1]!.shape),
    }),
  };
}

/** A kernel of x and filter whose gradients are kernels too: `…BackpropInput`, `…BackpropFilter`. */
function convolution(kernelName: string, operator: string): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ["x", "filter"],
    gradFunc: (dy, saved, attrs) => {
      const [x, filter] = saved as [tf.Tensor, tf.Tensor];
      const d = dy as tf.Tensor;
      refuseDilation(operator, attrs as Attributes);
      return {
        x: () => run(`${kernelName}BackpropInput`, { dy: d, filter }, { ...attrs, inputShape: x.shape }),
        filter: () =>
          run(`${kernelName}BackpropFilter`, { x, dy: d }, { ...attrs, filterShape: filter.shape }),
      };
    },
  };
}

function unbroadcast(x: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, x.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(x, axes) : x, shape);
}

/** `x` with the reduced axes of `shape` put back, size 1. */
function restoreAxes(x: tf.Tensor, shape: number[], axis: number | number[]): tf.Tensor {
  const axes = tf.util.parseAxisParam(axis, shape);
  return tf.reshape(
    x,
    shape.map((size, i) => (axes.includes(i) ? 1 : size)),
  );
}

const where = (condition: tf.Tensor, dy: tf.Tensor) => tf.mul(dy, tf.cast(condition, "float32"));
const zeros = (dy: tf.Tensor) => tf.zerosLike(dy);

/** Of ReLU (limit Infinity) and ReLU6, from the output. */
function clampGradient(dy: tf.Tensor, y: tf.Tensor, limit: number): tf.Tensor {
  if (hasKernel(RELU_GRADIENT)) return run(RELU_GRADIENT, { y, dy }, { limit });
  return where(tf.logicalAnd(tf.greater(y, 0), tf.less(y, limit)), dy);
}

const ELEMENTWISE: tf.GradConfig[] = [
  binary(
    "Add",
    (dy) => dy,
    (dy) => dy,
  ),
  binary(
    "Sub",
    (dy) => dy,
    (dy) => tf.neg(dy),
  ),
  binary(
    "Multiply",
    (dy, [, b]) => tf.mul(dy, b!),
    (dy, [a]) => tf.mul(dy, a!),
  ),
  binary(
    "RealDiv",
    (dy, [, b]) => tf.div(dy, b!),
    (dy, [a, b]) => tf.neg(tf.div(tf.mul(dy, a!), tf.square(b!))),
  ),
  binary(
    "Maximum",
    (dy, [a, b]) => where(tf.greaterEqual(a!, b!), dy),
    (dy, [a, b]) => where(tf.less(a!, b!), dy),
  ),
  binary(
    "Minimum",
    (dy, [a, b]) => where(tf.lessEqual(a!, b!), dy),
    (dy, [a, b]) => where(tf.greater(a!, b!), dy),
  ),
  binary(
    "SquaredDifference",
    (dy, [a, b]) => tf.mul(dy, tf.mul(tf.sub(a!, b!), 2)),
    (dy, [a, b]) => tf.mul(dy, tf.mul(tf.sub(b!, a!), 2)),
  ),
  unary("Identity", "", (dy) => tf.clone(dy)),
  unary("Cast", "", (dy) => tf.clone(dy)),
  unary("Neg", "", (dy) => tf.neg(dy)),
  unary("Abs", "x", (dy, [x]) => tf.mul(dy, tf.sign(x!))),
  unary("Square", "x", (dy, [x]) => tf.mul(dy, tf.mul(x!, 2))),
  unary("Sqrt", "y", (dy, [y]) => tf.div(dy, tf.mul(y!, 2))),
  unary("Rsqrt", "y", (dy, [y]) => tf.mul(dy, tf.mul(tf.pow(y!, 3), -0.5))),
  unary("Reciprocal", "y", (dy, [y]) => tf.neg(tf.mul(dy, tf.square(y!)))),
  unary("Exp", "y", (dy, [y]) => tf.mul(dy, y!)),
  unary("Log", "x", (dy, [x]) => tf.div(dy, x!)),
  unary("Log1p", "x", (dy, [x]) => tf.div(dy, tf.add(x!, 1))),
  unary("Sigmoid", "y", (dy, [y]) => tf.mul(dy, tf.mul(y!, tf.sub(1, y!)))),
  unary("Tanh", "y", (dy, [y]) => tf.mul(dy, tf.sub(1, tf.square(y!)))),
  unary("Relu", "y", (dy, [y]) => clampGradient(dy, y!, Number.POSITIVE_INFINITY)),
  unary("Relu6", "y", (dy, [y]) => clampGradient(dy, y!, 6)),
  unary("ClipByValue", "x", (dy, [x], { clipValueMin, clipValueMax }) =>
    where(tf.logicalAnd(tf.greaterEqual(x!, clipValueMin), tf.lessEqual(x!, clipValueMax)), dy),
  ),
  unary("Step", "", zeros),
  unary("Sign", "", zeros),
  unary("Round", "", zeros),
  unary("Floor", "", zeros),
  unary("ZerosLike", "", zeros),
  unary("OnesLike", "", zeros),
  {
    kernelName: "AddN",
    saveAllInputs: true,
    gradFunc: (dy, saved) => {
      return Object.fromEntries(saved.map((_, i) => [i, () => tf.clone(dy as tf.Tensor)]));
    },
  },
  {
    kernelName: "Select",
    inputsToSave: ["condition"],
    gradFunc: (dy, [condition]) => ({
      condition: () => tf.zeros(condition!.shape),
      t: () => where(condition!, dy as tf.Tensor),
      e: () => where(tf.logicalNot(condition!), dy as tf.Tensor),
    }),
  },
];

const REDUCTIONS: tf.GradConfig[] = [
  unary("Sum", "x", (dy, [x], { axis }) => {
    return tf.broadcastTo(restoreAxes(dy, x!.shape, axis), x!.shape);
  }),
  unary("Mean", "x", (dy, [x], { axis }) => {
    const scaled = tf.div(dy, x!.size / dy.size);
    return tf.broadcastTo(restoreAxes(scaled, x!.shape, axis), x!.shape);
  }),
  unary("Max", "xy", (dy, [x, y], { reductionIndices: axis }) => {
    const largest = tf.equal(x!, restoreAxes(y!, x!.shape, axis));
    return where(largest, restoreAxes(dy, x!.shape, axis));
  }),
  unary("Min", "xy", (dy, [x, y], { axis }) => {
    const smallest = tf.equal(x!, restoreAxes(y!, x!.shape, axis));
    return where(smallest, restoreAxes(dy, x!.shape, axis));
  }),
  unary(
    "Softmax",
    "y",
    (dy, [y], { dim }) => {
      const weighted = tf.mul(dy, y!);
      return tf.sub(weighted, tf.mul(tf.sum(weighted, dim, true), y!));
    },
    "logits",
  ),
];

const MOVEMENT: tf.GradConfig[] = [
  unary("Reshape", "x", (dy, [x]) => tf.reshape(dy, x!.shape)),
  unary("ExpandDims", "x", (dy, [x]) => tf.reshape(dy, x!.shape), "input"),
  unary("Transpose", "", (dy, _, { perm }) => tf.transpose(dy, tf.backend_util.getUndoAxesPermutation(perm))),
  unary("PadV2", "x", (dy, [x], { paddings }) => {
    return tf.slice(
      dy,
      paddings.map(([before]: [number, number]) => before),
      x!.shape,
    );
  }),
  unary("Slice", "x", (dy, [x], { begin, size }) => {
    const [starts, sizes] = tf.slice_util.parseSliceParams(x!, begin, size);
    return tf.pad(
      dy,
      x!.shape.map((length, i) => [starts[i]!, length - starts[i]! - sizes[i]!] as [number, number]),
    );
  }),
  unary("Reverse", "", (dy, _, { dims }) => tf.reverse(dy, dims)),
  unary("Tile", "x", (dy, [x], { reps }) => {
    // Each axis becomes [repetition, index].
    const split = tf.reshape(
      dy,
      x!.shape.flatMap((size, i) => [reps[i], size]),
    );
    return tf.sum(
      split,
      x!.shape.map((_, i) => 2 * i),
    );
  }),
  {
    kernelName: "Concat",
    saveAllInputs: true,
    gradFunc: (dy, saved, attrs) => {
      const axis = tf.util.parseAxisParam((attrs as Attributes).axis, saved[0]!.shape)[0]!;
      const parts = tf.split(
        dy as tf.Tensor,
        saved.map((part) => part.shape[axis]!),
        axis,
      );
      return Object.fromEntries(parts.map((part, i) => [i, () => part]));
    },
  },
  {
    kernelName: "SplitV",
    gradFunc: (dys, _, attrs) => ({
      x: () => tf.concat(Array.isArray(dys) ? dys : [dys], (attrs as Attributes).axis),
    }),
  },
  {
    kernelName: "Pack",
    saveAllInputs: true,
    gradFunc: (dy, _, attrs) => {
      const parts = tf.unstack(dy as tf.Tensor, (attrs as Attributes).axis);
      return Object.fromEntries(parts.map((part, i) => [i, () => part]));
    },
  },
  {
    kernelName: "Unpack",
    gradFunc: (dys, _, attrs) => ({
      value: () => tf.stack(Array.isArray(dys) ? dys : [dys], (attrs as Attributes).axis),
    }),
  },
];

const LAYERS: tf.GradConfig[] = [
  {
    kernelName: "BatchMatMul",
    inputsToSave: ["a", "b"],
    gradFunc: (dy, [a, b], attrs) => {
      const { transposeA, transposeB } = attrs as Attributes;
      const d = dy as tf.Tensor;
      return {
        a: () =>
          unbroadcast(
            transposeA ? tf.matMul(b!, d, transposeB, true) : tf.matMul(d, b!, false, !transposeB),
            a!.shape,
          ),
        b: () =>
          unbroadcast(
            transposeB ? tf.matMul(d, a!, true, transposeA) : tf.matMul(a!, d, !transposeA, false),
            b!.shape,
          ),
      };
    },
  },
  convolution("Conv2D", "conv2d"),
  convolution("DepthwiseConv2dNative", "depthwiseConv2d"),
  unary("AvgPool", "x", (dy, [x], attrs) => run("AvgPoolGrad", { dy, input: x! }, attrs)),
  unary("MaxPool", "xy", (dy, [x, y], attrs) => run("MaxPoolGrad", { dy, input: x!, output: y! }, attrs)),
  {
    // Batch normalisation with given statistics (inference mode), over the last axis.
    kernelName: "FusedBatchNorm",
    inputsToSave: ["x", "mean", "variance", "scale"],
    gradFunc: (dy, saved, attrs) => {
      const [x, mean, variance, scale = tf.scalar(1)] = saved;
      const d = dy as tf.Tensor;
      const inverse = tf.rsqrt(tf.add(variance!, (attrs as Attributes).varianceEpsilon));
      const factor = tf.mul(inverse, scale);
      const centred = tf.sub(x!, mean!);
      const sum = (t: tf.Tensor) => unbroadcast(t, mean!.shape);
      return {
        x: () => tf.mul(d, factor),
        mean: () => tf.neg(tf.mul(sum(d), factor)),
        variance: () => tf.mul(sum(tf.mul(d, centred)), tf.mul(tf.mul(factor, tf.square(inverse)), -0.5)),
        scale: () => tf.mul(sum(tf.mul(d, centred)), inverse),
        offset: () => sum(d),
      };
    },
  },
];

function run(kernelName: string, inputs: tf.NamedTensorMap, attrs: Attributes): tf.Tensor {
  return tf.engine().runKernel(kernelName, inputs, attrs) as tf.Tensor;
}

function refuseDilation(operator: string, { dilations }: Attributes): void {
  const all: number[] = [dilations ?? 1].flat();
  if (all.some((d) => d !== 1)) throw new Error(`${operator}: no gradient with dilations ${all.join("x")}`);
}

/** Registers what is missing. */
export function registerGradients(): void {
  for (const gradient of [...ELEMENTWISE, ...REDUCTIONS, ...MOVEMENT, ...LAYERS]) {
    if (tf.getGradient(gradient.kernelName) === undefined) tf.registerGradient(gradient);
  }
}
