/** Random operators of every kind for `random-graph.ts`. */
import type { Activation, OperatorKind } from "../../src/graph/graph.ts";
import { elementCount, sameShape } from "../../src/graph/shape.ts";
import { broadcastShape } from "../reference/elementwise.ts";
import type { Affine, GraphBuilder } from "./graph-builder.ts";
import {
  addConvolution,
  addDepthwise,
  addFullyConnected,
  addPool,
  randomActivation,
} from "./random-windows.ts";

interface RandomOperator {
  /** How often it is taken in the middle of a graph; 0 where it stands only at the edges. */
  readonly weight: number;
  /** Whether an int8 tensor of this shape can be its first input. */
  readonly accepts: (shape: readonly number[]) => boolean;
  /** Adds it (and what other tensors it needs) behind an int8 tensor; gives its output. */
  readonly add: (builder: GraphBuilder, input: number) => number;
}

const SOFTMAX_OUTPUT: Affine = { scale: 1 / 256, zeroPoint: -128 };

const isMap = (shape: readonly number[]) => shape.length === 4;
const always = () => true;

/** Adds a graph input of this shape: int8, or with `edges` sometimes uint8 or float32 behind a QUANTIZE. */
export function addInput(builder: GraphBuilder, shape: readonly number[], edges: boolean): number {
  const { random } = builder;
  const count = elementCount(shape);
  const affine = builder.freshAffine();
  const dtype = edges
    ? random.weighted([
        [6, "int8"],
        [1, "uint8"],
        [1, "float32"],
      ] as const)
    : "int8";
  if (dtype === "int8") return builder.input(shape, "int8", affine, builder.activationContent(count));
  if (dtype === "uint8") return addFromUint8(builder, shape);
  return addFromFloat(builder, shape);
}

export function addFromUint8(builder: GraphBuilder, shape: readonly number[]): number {
  const { random } = builder;
  const from = { scale: random.power(-8, -3), zeroPoint: random.pick([0, 128, 255, random.integer(0, 255)]) };
  // The usual pair differs by 128 and nothing else.
  const to = random.chance(0.5)
    ? { scale: from.scale, zeroPoint: from.zeroPoint - 128 }
    : { scale: Math.fround(from.scale * random.power(-1, 0)), zeroPoint: builder.zeroPoint() };
  const content = Uint8Array.from({ length: elementCount(shape) }, () => random.integer(0, 255));
  const input = builder.input(shape, "uint8", from, content);
  return builder.operator("QUANTIZE", [input], {}, { shape, affine: to });
}

export function addFromFloat(builder: GraphBuilder, shape: readonly number[]): number {
  const { random } = builder;
  const affine = builder.freshAffine();
  const content = Float32Array.from({ length: elementCount(shape) }, () =>
    random.weighted([
      [8, 45 * random.normal() * affine.scale],
      [1, (random.integer(-140, 140) + 0.5) * affine.scale],
      [0.1, random.pick([-1e30, 1e30, 0])],
    ]),
  );
  const input = builder.input(shape, "float32", null, content);
  return builder.operator("QUANTIZE", [input], {}, { shape, affine });
}

/** A shape that broadcasts with `shape`; in rare cases it makes dimensions of 1 larger. */
function partnerShape(builder: GraphBuilder, shape: readonly number[]): readonly number[] {
  const { random } = builder;
  const larger = random.chance(0.15) && elementCount(shape) * 6 <= builder.maxElements;
  const choices: (readonly [number, readonly number[]])[] = [
    [3, shape],
    [1, []],
    [1, [1]],
    [1.5, shape.slice(-1)],
    [1.5, shape.map((size, i) => (i === shape.length - 1 ? size : 1))],
    [1, shape.map((size, i) => (i === 1 ? size : 1))],
    [1, shape.map((size) => (random.chance(0.5) ? size : 1))],
    [0.5, shape.slice(random.integer(0, shape.length))],
  ];
  const chosen = random.weighted(choices);
  if (!larger || chosen.length === 0) return chosen;
  const grown = random.integer(0, chosen.length - 1);
  const opposite = shape[grown + shape.length - chosen.length];
  return chosen.map((size, i) => (i === grown && opposite === 1 ? random.integer(2, 6) : size));
}

/** The other operand of ADD, SUB or MUL: an earlier tensor that broadcasts, a new input, or a constant. */
function partner(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const shape = builder.shape(input);
  const fits = builder.live.filter((other) => {
    try {
      return elementCount(broadcastShape(shape, builder.shape(other))) <= builder.maxElements;
    } catch {
      return false;
    }
  });
  const source = random.weighted([
    [2, "live"],
    [1.5, "input"],
    [3, "constant"],
  ] as const);
  // A tensor with itself is legal, but x - x is dull.
  const others = fits.filter((tensor) => tensor !== input);
  if (source === "live") return others.length === 0 || random.chance(0.1) ? input : random.pick(others);
  const other = partnerShape(builder, shape);
  if (source === "input") return addInput(builder, other, false);
  return builder.constant(
    "constant",
    other,
    builder.activationContent(elementCount(other)),
    builder.freshAffine(),
  );
}

function addBinary(builder: GraphBuilder, input: number, kind: "ADD" | "SUB" | "MUL"): number {
  const { random } = builder;
  const other = partner(builder, input);
  const [a, b] = random.chance(0.5) ? [input, other] : [other, input];
  const real = (tensor: number) => builder.deviation(tensor) * builder.affine(tensor).scale;
  const [scaleA, scaleB] = [builder.affine(a).scale, builder.affine(b).scale];
  const activation = randomActivation(builder);
  // ADD and SUB need 2 * max scale < 2^20 * output scale; products stay below 2^16, so that a shift of 14 is safe.
  const affine =
    kind === "MUL"
      ? builder.outputAffine(real(a) * real(b), (scaleA * scaleB) / 2 ** 13, activation)
      : builder.outputAffine(
          Math.sqrt(real(a) ** 2 + real(b) ** 2),
          (2 * Math.max(scaleA, scaleB)) / 2 ** 20,
          activation,
        );
  const shape = broadcastShape(builder.shape(a), builder.shape(b));
  return builder.operator(kind, [a, b], { activation }, { shape, affine });
}

/** Brings a tensor to the given quantisation, with a QUANTIZE where it has another. */
function withAffine(builder: GraphBuilder, tensor: number, affine: Affine): number {
  const own = builder.affine(tensor);
  if (own.scale === affine.scale && own.zeroPoint === affine.zeroPoint) return tensor;
  return builder.operator("QUANTIZE", [tensor], {}, { shape: builder.shape(tensor), affine });
}

function addConcatenation(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const shape = builder.shape(input);
  const affine = builder.affine(input);
  const axis = random.chance(0.5) ? shape.length - 1 : random.integer(0, shape.length - 1);
  const across = elementCount(shape) / shape[axis]!;
  const parts = [input];
  let size = shape[axis]!;
  const fits = builder.live.filter((other) => {
    const otherShape = builder.shape(other);
    return otherShape.length === shape.length && sameShape(otherShape.with(axis, 1), shape.with(axis, 1));
  });
  for (let more = random.integer(1, 3); more > 0; more--) {
    const other = random.chance(0.6) ? random.pick(fits) : null;
    const added = other === null ? random.integer(1, 5) : builder.shape(other)[axis]!;
    if (across * (size + added) > builder.maxElements) continue;
    size += added;
    const part =
      other === null
        ? builder.input(shape.with(axis, added), "int8", affine, builder.activationContent(across * added))
        : withAffine(builder, other, affine);
    parts.splice(random.integer(0, parts.length), 0, part);
  }
  return builder.operator(
    "CONCATENATION",
    parts,
    { axis: random.chance(0.3) ? axis - shape.length : axis, activation: "NONE" },
    { shape: shape.with(axis, size), affine },
  );
}

function addPad(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const shape = builder.shape(input);
  const isMapSized = shape.length === 4 && random.chance(0.7);
  const paddings = shape.map((_, i): [number, number] => {
    const wanted = isMapSized ? i === 1 || i === 2 : random.chance(0.5);
    return wanted ? [random.integer(0, 2), random.integer(0, 2)] : [0, 0];
  });
  const padded = shape.map((size, i) => size + paddings[i]![0] + paddings[i]![1]);
  const fits = elementCount(padded) <= builder.maxElements;
  const flat = (fits ? paddings : paddings.map(() => [0, 0])).flat();
  const content = random.chance(0.7) ? Int32Array.from(flat) : BigInt64Array.from(flat, BigInt);
  const constant = builder.constant("paddings", [shape.length, 2], content);
  return builder.operator(
    "PAD",
    [input, constant],
    {},
    {
      shape: fits ? padded : shape,
      affine: builder.affine(input),
    },
  );
}

function addMean(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const shape = builder.shape(input);
  const all = shape.map((_, i) => i);
  const reduced =
    shape.length === 4 && random.chance(0.5) ? [1, 2] : all.filter(() => random.chance(0.45)).slice(0, 3);
  if (reduced.length === 0) reduced.push(random.pick(all));
  const listed = reduced.map((axis) => (random.chance(0.25) ? axis - shape.length : axis));
  if (random.chance(0.3)) listed.reverse();
  const scalar = listed.length === 1 && random.chance(0.5);
  const axes = builder.constant("axes", scalar ? [] : [listed.length], Int32Array.from(listed));
  const keepDims = random.chance(0.5);
  const kept = shape.map((size, i) => (reduced.includes(i) ? 1 : size));
  const count = elementCount(reduced.map((axis) => shape[axis]!));
  const own = builder.affine(input);
  const affine = random.chance(0.4)
    ? own
    : builder.outputAffine(
        own.scale * builder.deviation(input) * (random.chance(0.5) ? 1 : Math.sqrt(1 / count)),
        own.scale / 2 ** 8,
      );
  return builder.operator(
    "MEAN",
    [input, axes],
    { keepDims },
    {
      shape: keepDims ? kept : shape.filter((_, i) => !reduced.includes(i)),
      affine,
    },
  );
}

function addReshape(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  let rest = elementCount(builder.shape(input));
  const shape: number[] = [];
  for (let rank = random.integer(1, 4); rank > 1; rank--) {
    const divisors = [1, 2, 3, 5, 7, 13].filter((divisor) => rest % divisor === 0);
    const size = random.pick(divisors);
    shape.push(size);
    rest /= size;
  }
  shape.splice(random.integer(0, shape.length), 0, rest);
  const inputs = [input];
  if (random.chance(0.7)) inputs.push(builder.constant("shape", [shape.length], Int32Array.from(shape)));
  return builder.operator("RESHAPE", inputs, {}, { shape, affine: builder.affine(input) });
}

function addSqueeze(builder: GraphBuilder, input: number): number {
  const everyOne = builder.random.chance(0.5);
  const shape = builder
    .shape(input)
    .filter((size) => size !== 1 || !(everyOne || builder.random.chance(0.5)));
  return builder.operator("SQUEEZE", [input], {}, { shape, affine: builder.affine(input) });
}

function addExpandDims(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const shape = builder.shape(input);
  const axis = random.integer(0, shape.length);
  const listed = Int32Array.of(random.chance(0.3) ? axis - shape.length - 1 : axis);
  const constant = builder.constant("axis", random.chance(0.5) ? [] : [1], listed);
  return builder.operator(
    "EXPAND_DIMS",
    [input, constant],
    {},
    {
      shape: shape.toSpliced(axis, 0, 1),
      affine: builder.affine(input),
    },
  );
}

/** RELU and QUANTIZE: usually to scales within a factor of 2, and never so fine that 255 << shift overflows. */
function rescaled(builder: GraphBuilder, input: number, activation: Activation): Affine {
  const { random } = builder;
  const { scale, zeroPoint } = builder.affine(input);
  return random.weighted<Affine>([
    [1, { scale, zeroPoint }],
    [1, { scale, zeroPoint: builder.zeroPoint(activation) }],
    [4, builder.outputAffine(scale * builder.deviation(input), scale / 2 ** 20, activation)],
  ]);
}

const sameSize = (
  kind: "RELU" | "RELU6" | "LOGISTIC" | "QUANTIZE",
  affine: (builder: GraphBuilder, input: number) => Affine,
) => {
  return (builder: GraphBuilder, input: number): number =>
    builder.operator(kind, [input], {}, { shape: builder.shape(input), affine: affine(builder, input) });
};

export const RANDOM_OPERATORS: Readonly<Record<OperatorKind, RandomOperator>> = {
  CONV_2D: { weight: 8, accepts: isMap, add: addConvolution },
  DEPTHWISE_CONV_2D: { weight: 6, accepts: isMap, add: addDepthwise },
  FULLY_CONNECTED: { weight: 3, accepts: (shape) => shape.length >= 1, add: addFullyConnected },
  AVERAGE_POOL_2D: { weight: 2, accepts: isMap, add: (b, x) => addPool(b, x, "AVERAGE_POOL_2D") },
  MAX_POOL_2D: { weight: 2, accepts: isMap, add: (b, x) => addPool(b, x, "MAX_POOL_2D") },
  ADD: { weight: 3, accepts: always, add: (b, x) => addBinary(b, x, "ADD") },
  SUB: { weight: 2, accepts: always, add: (b, x) => addBinary(b, x, "SUB") },
  MUL: { weight: 2, accepts: always, add: (b, x) => addBinary(b, x, "MUL") },
  PAD: { weight: 2, accepts: (shape) => shape.length >= 1, add: addPad },
  MEAN: { weight: 2, accepts: (shape) => shape.length >= 1, add: addMean },
  CONCATENATION: { weight: 2.5, accepts: (shape) => shape.length >= 1, add: addConcatenation },
  RESHAPE: { weight: 1, accepts: always, add: addReshape },
  SQUEEZE: { weight: 1, accepts: (shape) => shape.includes(1), add: addSqueeze },
  EXPAND_DIMS: { weight: 1, accepts: (shape) => shape.length <= 3, add: addExpandDims },
  SOFTMAX: {
    weight: 1,
    accepts: (shape) => shape.length >= 1,
    add: (b, x) =>
      b.operator(
        "SOFTMAX",
        [x],
        { beta: b.random.pick([1, 1, 1, 0.5, 2.25, Math.fround(0.3)]) },
        {
          shape: b.shape(x),
          affine: SOFTMAX_OUTPUT,
        },
      ),
  },
  LOGISTIC: { weight: 1.5, accepts: always, add: sameSize("LOGISTIC", () => SOFTMAX_OUTPUT) },
  RELU: { weight: 1.5, accepts: always, add: sameSize("RELU", (b, x) => rescaled(b, x, "RELU")) },
  RELU6: { weight: 1, accepts: always, add: sameSize("RELU6", (b, x) => b.affine(x)) },
  QUANTIZE: { weight: 1.5, accepts: always, add: sameSize("QUANTIZE", (b, x) => rescaled(b, x, "NONE")) },
  DEQUANTIZE: {
    weight: 0,
    accepts: always,
    add: (b, x) => b.operator("DEQUANTIZE", [x], {}, { shape: b.shape(x), dtype: "float32", affine: null }),
  },
};

/** int8 to uint8, as at the end of a graph with a uint8 output. */
export function addToUint8(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const { scale, zeroPoint } = builder.affine(input);
  const affine = random.chance(0.6)
    ? { scale, zeroPoint: zeroPoint + 128 }
    : { scale: Math.fround(scale * random.power(-1, 0)), zeroPoint: random.integer(0, 255) };
  return builder.operator("QUANTIZE", [input], {}, { shape: builder.shape(input), dtype: "uint8", affine });
}
