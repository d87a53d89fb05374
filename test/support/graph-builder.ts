import type {
  Activation,
  DType,
  Graph,
  Operator,
  OperatorKind,
  OperatorOptions,
  Quantization,
  Tensor,
} from "../../src/graph/graph.ts";
import { elementCount } from "../../src/graph/shape.ts";
import { type Content, type Contents, evaluate } from "../reference/run.ts";
import { Random } from "./random.ts";

export type InputContent = Int8Array | Uint8Array | Float32Array;

/** A graph with contents for its inputs, in their order. */
export interface RandomGraph {
  readonly graph: Graph;
  readonly inputs: readonly InputContent[];
}

export interface Affine {
  readonly scale: number;
  readonly zeroPoint: number;
}

const perTensor = ({ scale, zeroPoint }: Affine): Quantization => ({
  scales: [scale],
  zeroPoints: [zeroPoint],
  axis: 0,
});

/**
 * Puts a random graph together. Every operator is evaluated as it is added, so that scales can follow what the
 * tensors really hold and deep graphs stay neither constant nor saturated.
 */
export class GraphBuilder {
  readonly random: Random;
  /** No tensor grows larger than this. */
  readonly maxElements: number;
  readonly tensors: Tensor[] = [];
  readonly operators: Operator[] = [];
  readonly contents: Contents = [];
  /** int8 activations that an operator may take as an operand. */
  readonly live: number[] = [];
  readonly #inputs: number[] = [];

  constructor(seed: number, maxElements: number) {
    this.random = new Random(seed);
    this.maxElements = maxElements;
  }

  shape(tensor: number): readonly number[] {
    return this.tensors[tensor]!.shape;
  }

  affine(tensor: number): Affine {
    const { scales, zeroPoints } = this.tensors[tensor]!.quantization!;
    return { scale: scales[0]!, zeroPoint: zeroPoints[0]! };
  }

  int8(tensor: number): Int8Array {
    return this.contents[tensor] as Int8Array;
  }

  /** Root mean square of an int8 tensor about its zero point, in quantisation steps; at least 1. */
  deviation(tensor: number): number {
    const { zeroPoint } = this.affine(tensor);
    const content = this.int8(tensor);
    const sum = content.reduce((total, value) => total + (value - zeroPoint) ** 2, 0);
    return Math.max(1, Math.sqrt(sum / content.length));
  }

  #tensor(tensor: Tensor, content: Content): number {
    this.contents.push(content);
    return this.tensors.push(tensor) - 1;
  }

  input(shape: readonly number[], dtype: DType, affine: Affine | null, content: InputContent): number {
    const quantization = affine && perTensor(affine);
    const name = `input${this.#inputs.length}`;
    const index = this.#tensor({ name, shape, dtype, quantization, data: null }, content);
    this.#inputs.push(index);
    if (dtype === "int8") this.live.push(index);
    return index;
  }

  /** A constant of the array's type; `scales` along `axis`, or one. */
  constant(
    role: string,
    shape: readonly number[],
    content: Int8Array | Int32Array | BigInt64Array,
    quantization: Quantization | Affine | null = null,
  ): number {
    const dtype = content instanceof Int8Array ? "int8" : content instanceof Int32Array ? "int32" : "int64";
    const data = new Uint8Array(content.slice().buffer);
    const full = quantization && ("scales" in quantization ? quantization : perTensor(quantization));
    const name = `${role}${this.tensors.length}`;
    return this.#tensor({ name, shape, dtype, quantization: full, data }, content);
  }

  /** Adds an operator and its output tensor, and evaluates it. */
  operator<K extends OperatorKind>(
    kind: K,
    inputs: readonly number[],
    options: OperatorOptions[K],
    output: {
      readonly shape: readonly number[];
      readonly dtype?: DType;
      readonly affine: Affine | null;
    },
  ): number {
    const { shape, dtype = "int8" } = output;
    const quantization = output.affine && perTensor(output.affine);
    const name = `${kind.toLowerCase()}${this.operators.length}`;
    this.tensors.push({ name, shape, dtype, quantization, data: null });
    const index = this.tensors.length - 1;
    const operator = { kind, inputs, outputs: [index], options } as unknown as Operator;
    this.operators.push(operator);
    const content = evaluate(this.tensors, operator, this.contents);
    if (content.length !== elementCount(shape))
      throw new Error(`${name} gives ${content.length}, not [${shape}]`);
    this.contents.push(content);
    if (dtype === "int8") this.live.push(index);
    return index;
  }

  finish(name: string, outputs: readonly number[]): RandomGraph {
    const graph = {
      name,
      tensors: this.tensors,
      operators: this.operators,
      inputs: this.#inputs,
      outputs,
    };
    return { graph, inputs: this.#inputs.map((input) => this.contents[input] as InputContent) };
  }

  /** Favours the awkward channel counts. */
  channels(maximum = 40): number {
    const { random } = this;
    const count = random.chance(0.6) ? random.pick([1, 3, 5, 7, 13, 27]) : random.integer(1, 40);
    return Math.min(count, Math.max(1, maximum));
  }

  /** Behind a ReLU mostly a low one, which leaves room for what is positive. */
  zeroPoint(activation: Activation = "NONE"): number {
    const { random } = this;
    if ((activation === "RELU" || activation === "RELU6") && random.chance(0.75))
      return random.integer(-128, -90);
    return random.weighted([
      [5, random.integer(-30, 30)],
      [1, 0],
      [1.5, -128],
      [1, 127],
      [1.5, random.integer(-128, 127)],
    ]);
  }

  /** Quantisation of a graph's input or constant. */
  freshAffine(): Affine {
    return { scale: this.random.power(-8, -3), zeroPoint: this.zeroPoint() };
  }

  /** Usually 1: what a scale is taken off its sensible value by, towards saturation (< 1) or a constant (> 1). */
  strain(): number {
    const { random } = this;
    if (random.chance(0.93)) return 1;
    return random.chance(0.5) ? random.power(-9, -3) : random.power(2, 10);
  }

  /**
   * Quantisation of an output whose real values have this root mean square: usually a spread of 20-80 steps.
   * `finest` is the smallest scale for which nothing overflows; 2^-16 and 2^16 bound it, so that chains do not drift away.
   */
  outputAffine(realDeviation: number, finest: number, activation?: Activation): Affine {
    const scale = (realDeviation / this.random.integer(20, 80)) * this.strain();
    const bounded = Math.min(2 ** 16, Math.max(scale, finest * 1.001, 2 ** -16));
    return { scale: Math.fround(bounded), zeroPoint: this.zeroPoint(activation) };
  }

  activationContent(count: number): Int8Array {
    const { random } = this;
    const centre = random.integer(-60, 60);
    const value = random.weighted<() => number>([
      [6, () => random.integer(-128, 127)],
      [3, () => Math.max(-128, Math.min(127, Math.round(centre + 35 * random.normal())))],
      [0.3, () => random.pick([-128, 127])],
      [0.5, () => (random.chance(0.8) ? -128 : random.integer(-128, 127))],
    ]);
    return Int8Array.from({ length: count }, value);
  }
}
