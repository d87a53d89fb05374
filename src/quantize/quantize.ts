/** Full int8 quantisation after training. */
import { ThumbnetError } from "../errors.ts";
import { checkInt8 } from "../graph/check.ts";
import type { Graph, Operator, OperatorKind, Quantization, Tensor } from "../graph/graph.ts";
import { elementCount } from "../graph/shape.ts";
import { withChipScales } from "./chip-scales.ts";
import { equalized } from "./equalize.ts";
import { activationInputs, FloatModel } from "./float-model.ts";
import { activate, WEIGHTED, weightedSums } from "./float-operators.ts";
import {
  type Affine,
  affineOf,
  chooseRange,
  quantizeValue,
  type RangeMethod,
  type RangeOptions,
} from "./ranges.ts";
import { quantizeBias, quantizeWeights } from "./weights.ts";

export interface QuantizeOptions {
  /** How the ranges of activations are found; default: `mse`. Logits always keep their whole range. */
  readonly range?: RangeMethod;
  /** For `percentile`: the share of values that may lie outside; default: 0.0001. */
  readonly outside?: number;
  /** How the scales of weights are found; default: `mse`. */
  readonly weights?: "max" | "mse";
  /** Whether biases make up for the mean error of each channel; default: true. */
  readonly biasCorrection?: boolean;
  /** Scale and zero point of the input, where it has them by its nature, as pictures have; default: calibrated. */
  readonly input?: Affine;
  /** Those of other tensors that are known, by name: of a network trained with them. */
  readonly affines?: Readonly<Record<string, Affine>>;
}

/** Kinds whose output means by its integers what their input does. */
const KEEPS_AFFINE = new Set<OperatorKind>([
  "AVERAGE_POOL_2D",
  "MAX_POOL_2D",
  "RESHAPE",
  "SQUEEZE",
  "EXPAND_DIMS",
  "RELU6",
]);

/** Each may narrow ranges, which makes sums larger beside them. */
const EQUALIZING_PASSES = 3;

const WHOLE: RangeOptions = { method: "minmax", outside: 0 };

const PROBABILITY: Affine = { scale: 1 / 256, zeroPoint: -128 };

/** One tensor over all calibration examples. */
interface Samples {
  /** As the float network has it. */
  readonly float: readonly Float32Array[];
  /** As the quantised one has it, in real numbers. */
  readonly quantized: readonly Float32Array[];
  readonly affine: Affine;
}

const toInt8Grid = (values: Float32Array, affine: Affine): Float32Array =>
  values.map((value) => affine.scale * (quantizeValue(value, affine) - affine.zeroPoint));

const perTensor = ({ scale, zeroPoint }: Affine): Quantization => ({
  scales: [scale],
  zeroPoints: [zeroPoint],
  axis: 0,
});

/** The mean difference of each channel. */
function meanErrors(
  wanted: readonly Float32Array[],
  found: readonly Float32Array[],
  channels: number,
): Float64Array {
  const sums = new Float64Array(channels);
  let count = 0;
  wanted.forEach((values, n) => {
    const other = found[n]!;
    for (let i = 0; i < values.length; i++) sums[i % channels]! += values[i]! - other[i]!;
    count += values.length / channels;
  });
  return sums.map((sum) => sum / count);
}

class Quantizer {
  readonly #graph: Graph;
  readonly #model: FloatModel;
  readonly #ranges: RangeOptions;
  readonly #weights: "max" | "mse";
  readonly #biasCorrection: boolean;
  readonly #affines: Readonly<Record<string, Affine>>;
  readonly #tensors: Tensor[] = [];
  /** New index of each activation. */
  readonly #index = new Map<number, number>();
  readonly #samples = new Map<number, Samples>();

  constructor(graph: Graph, options: QuantizeOptions) {
    this.#graph = graph;
    this.#model = new FloatModel(graph);
    this.#ranges = { method: options.range ?? "mse", outside: options.outside ?? 0.0001 };
    this.#weights = options.weights ?? "mse";
    this.#biasCorrection = options.biasCorrection ?? true;
    this.#affines = options.affines ?? {};
  }

  #add(tensor: Tensor): number {
    return this.#tensors.push(tensor) - 1;
  }

  #addActivation(index: number, samples: Samples): void {
    const { name, shape } = this.#graph.tensors[index]!;
    const quantization = perTensor(samples.affine);
    this.#index.set(index, this.#add({ name, shape, dtype: "int8", quantization, data: null }));
    this.#samples.set(index, samples);
  }

  #addConstant(
    name: string,
    shape: readonly number[],
    values: Int8Array | Int32Array,
    quantization: Quantization,
  ) {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const dtype = values instanceof Int8Array ? "int8" : "int32";
    return this.#add({ name, shape, dtype, quantization, data });
  }

  run(calibration: readonly Float32Array[], input: Affine | undefined, onOperator?: () => void): Graph {
    const { inputs, outputs, operators, name, exits } = this.#graph;
    const affine =
      input ??
      this.#affines[this.#graph.tensors[inputs[0]!]!.name] ??
      affineOf(chooseRange(calibration, this.#ranges));
    const quantized = calibration.map((values) => toInt8Grid(values, affine));
    this.#addActivation(inputs[0]!, { float: calibration, quantized, affine });
    const converted = operators.map((op, i) => {
      const result = this.#operator(op);
      // What no later operator reads need not be kept.
      for (const index of activationInputs(this.#graph, op)) {
        if (!operators.slice(i + 1).some((later) => later.inputs.includes(index)))
          this.#samples.delete(index);
      }
      onOperator?.();
      return result;
    });
    const map = (indices: readonly number[]) => indices.map((index) => this.#index.get(index)!);
    return {
      name,
      tensors: this.#tensors,
      operators: converted,
      inputs: map(inputs),
      outputs: map(outputs),
      ...(exits && { exits: exits.map((exit) => ({ ...exit, tensor: this.#index.get(exit.tensor)! })) }),
    };
  }

  #operator(op: Operator): Operator {
    const inputs = activationInputs(this.#graph, op).map((index) => this.#samples.get(index)!);
    const newInputs = op.inputs.map((index) => {
      const tensor = this.#graph.tensors[index];
      if (tensor === undefined) return -1;
      if (tensor.data === null) return this.#index.get(index)!;
      return WEIGHTED.has(op.kind) ? -1 : this.#add(tensor);
    });
    if (WEIGHTED.has(op.kind)) {
      const [weights, bias] = this.#weighted(op, inputs[0]!);
      newInputs.splice(1, 2, weights, bias);
    } else {
      const each = inputs[0]!.float.map((_, n) => n);
      const evaluate = (key: "float" | "quantized") =>
        each.map((n) =>
          this.#model.compute(
            op,
            inputs.map((samples) => samples[key][n]!),
          ),
        );
      this.#finish(op, inputs[0]!, evaluate("float"), evaluate("quantized"));
    }
    return { ...op, inputs: newInputs, outputs: [this.#index.get(op.outputs[0]!)!] } as Operator;
  }

  /** Chooses the output's affine and keeps its values. */
  #finish(op: Operator, input: Samples, float: Float32Array[], real: Float32Array[]): void {
    const output = op.outputs[0]!;
    const affine = KEEPS_AFFINE.has(op.kind)
      ? input.affine
      : op.kind === "SOFTMAX" || op.kind === "LOGISTIC"
        ? PROBABILITY
        : (this.#affines[this.#graph.tensors[output]!.name] ??
          affineOf(chooseRange(float, this.#isLogits(output) ? WHOLE : this.#ranges)));
    this.#addActivation(output, {
      float,
      quantized: real.map((values) => toInt8Grid(values, affine)),
      affine,
    });
  }

  /** Whether only a softmax, or nothing, reads a tensor: clipping would make a tie of the largest. */
  #isLogits(index: number): boolean {
    const readers = this.#graph.operators.filter((op) => op.inputs.includes(index));
    return readers.every((op) => op.kind === "SOFTMAX" || op.kind === "LOGISTIC");
  }

  /** @returns indices of weights and bias */
  #weighted(op: Operator, input: Samples): [weights: number, bias: number] {
    const [, weightsIndex, biasIndex] = op.inputs as [number, number, number];
    const { name, shape } = this.#graph.tensors[weightsIndex]!;
    const channels = this.#graph.tensors[op.outputs[0]!]!.shape.at(-1)!;
    const weights = this.#model.constant(weightsIndex)!;
    const bias = Float64Array.from(this.#model.constant(biasIndex) ?? new Float32Array(channels));
    // Depthwise weights have their channel last, the others first.
    const inner = weights.length / channels;
    const isDepthwise = op.kind === "DEPTHWISE_CONV_2D";
    const channelOf = isDepthwise ? (i: number) => i % channels : (i: number) => Math.floor(i / inner);
    // Per-channel fully connected layers are new to other runtimes: those have one scale.
    const perChannel = op.kind !== "FULLY_CONNECTED";
    const { scale: inputScale } = input.affine;
    const options = { method: this.#weights, inputScale };
    const { values, scales, real } = quantizeWeights(weights, bias, channelOf, perChannel, options);

    const float = input.float.map((x) => this.#model.compute(op, [x]));
    const sums = input.quantized.map((x) => weightedSums(this.#graph, op, x, real, bias));
    if (this.#biasCorrection) {
      const errors = meanErrors(float, sums, channels);
      for (const part of sums) for (let i = 0; i < part.length; i++) part[i]! += errors[i % channels]!;
      errors.forEach((error, c) => {
        bias[c]! += error;
      });
    }
    if ("activation" in op.options) {
      for (const part of [...float, ...sums]) activate(part, op.options.activation);
    }
    this.#finish(op, input, float, sums);

    const axis = isDepthwise ? 3 : 0;
    const zeroPoints = Array.from(scales, () => 0);
    const weightQuantization = { scales: [...scales], zeroPoints, axis: perChannel ? axis : 0 };
    const biasScales = Array.from(scales, (scale) => Math.fround(scale * inputScale));
    return [
      this.#addConstant(name, shape, values, weightQuantization),
      this.#addConstant(
        biasIndex < 0 ? `${name}/bias` : this.#graph.tensors[biasIndex]!.name,
        [channels],
        quantizeBias(bias, scales, inputScale),
        { scales: biasScales, zeroPoints, axis: 0 },
      ),
    ];
  }
}

/**
 * The int8 form of a float graph: weights symmetric with a scale for each output channel (fully connected layers:
 * one), biases int32, activations asymmetric with ranges from calibration examples. The whole network is run on all
 * examples, operator by operator, in float and as it will be quantised; from the difference biases are corrected. For the
 * chip's sake some channels are scaled (see equalize.ts), and some scales moved a little (chip-scales.ts).
 *
 * @param calibration inputs as the float network takes them; some hundreds of typical ones
 * @param onOperator called after each operator, for progress
 * @throws ThumbnetError where the graph cannot be quantised (see `checkFloatGraph`) or an example does not fit
 */
export function quantizeGraph(
  graph: Graph,
  calibration: readonly Float32Array[],
  options: QuantizeOptions = {},
  onOperator?: () => void,
): Graph {
  const { input, ...rest } = options;
  const quantizer = new Quantizer(graph, rest);
  const elements = elementCount(graph.tensors[graph.inputs[0]!]!.shape);
  const odd = calibration.findIndex((values) => values.length !== elements || !values.every(Number.isFinite));
  if (calibration.length === 0) throw new ThumbnetError(`${graph.name}: there are no calibration examples`);
  if (odd >= 0) {
    throw new ThumbnetError(
      `${graph.name}: calibration example ${odd} must be ${elements} finite numbers, as the input takes`,
    );
  }
  let result = quantizer.run(calibration, input, onOperator);
  let float: Graph | null = graph;
  for (let pass = 0; pass < EQUALIZING_PASSES && float !== null; pass++) {
    float = equalized(float, result);
    if (float !== null) result = new Quantizer(float, rest).run(calibration, input);
  }
  result = withChipScales(result);
  checkInt8(result);
  return result;
}
