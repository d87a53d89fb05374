/**
 * A plain evaluation of a graph, operator by operator, every tensor in an array of its own: what the engines
 * are tested against. Parameters are derived here a second time, from docs/arithmetic.md and from nothing in `src`
 * but the graph's types and shapes.
 */
import type { Graph, Operator, OperatorOf, Tensor } from "../../src/graph/graph.ts";
import { elementCount } from "../../src/graph/shape.ts";
import { clamp, quantizeMultiplier, roundAway } from "./arithmetic.ts";
import {
  add,
  broadcastShape,
  dequantize,
  mul,
  quantizeFloats,
  quantizeToInt8,
  quantizeToUint8,
  relu,
  relu6,
  sub,
} from "./elementwise.ts";
import { concatenate, pad } from "./movement.ts";
import {
  activationRange,
  quantizationOf,
  requantization,
  rescaling,
  scaleOf,
  sumFactors,
  windowSizes,
} from "./parameters.ts";
import { mean } from "./reduce.ts";
import { logistic, logisticParameters, softmax, softmaxParameters } from "./softmax.ts";
import { averagePool2d, conv2d, depthwiseConv2d, fullyConnected, maxPool2d } from "./windows.ts";

export type Content =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** Content of every tensor, by its index; null for a tensor that nothing has written (or of a type not read here). */
export type Contents = (Content | null)[];

/**
 * @param inputs content of the graph's inputs: in their order, or by tensor index
 * @returns the content of every tensor after the last operator, constants and inputs included
 */
export function referenceRun(
  graph: Graph,
  inputs: readonly Content[] | ReadonlyMap<number, Content>,
): Contents {
  const contents = graph.tensors.map(constantContent);
  graph.inputs.forEach((tensor, i) => {
    const content = inputs instanceof Map ? inputs.get(tensor) : (inputs as readonly Content[])[i];
    if (content === undefined) throw new Error(`no content for input ${i} (tensor ${tensor})`);
    contents[tensor] = checked(content, graph.tensors[tensor]!);
  });
  for (const operator of graph.operators) {
    const output = operator.outputs[0]!;
    contents[output] = checked(evaluate(graph.tensors, operator, contents), graph.tensors[output]!);
  }
  return contents;
}

/** Content of a constant as numbers; null for an activation. */
export function constantContent({ dtype, data }: Tensor): Content | null {
  if (data === null) return null;
  const bytes = data.slice().buffer;
  switch (dtype) {
    case "int8":
      return new Int8Array(bytes);
    case "uint8":
      return new Uint8Array(bytes);
    case "int16":
      return new Int16Array(bytes);
    case "int32":
      return new Int32Array(bytes);
    case "int64":
      return new BigInt64Array(bytes);
    case "float32":
      return new Float32Array(bytes);
    case "float64":
      return new Float64Array(bytes);
    default:
      return null;
  }
}

const ARRAY_OF: Partial<Record<Tensor["dtype"], new (length: number) => Content>> = {
  int8: Int8Array,
  uint8: Uint8Array,
  float32: Float32Array,
};

function checked(content: Content, tensor: Tensor): Content {
  const expected = elementCount(tensor.shape);
  if (content.length !== expected || content.constructor !== ARRAY_OF[tensor.dtype]) {
    throw new Error(
      `tensor "${tensor.name}" is ${tensor.dtype}[${tensor.shape}], got ${content.length} elements of ${content.constructor.name}`,
    );
  }
  return content;
}

/** Content of an operator's (only) output, from the contents of its inputs. */
export function evaluate(tensors: readonly Tensor[], operator: Operator, contents: Contents): Content {
  const tensor = (i: number) => tensors[operator.inputs[i]!]!;
  const int8 = (i: number) => contentAs(contents, operator, i, Int8Array);
  const output = tensors[operator.outputs[0]!]!;
  switch (operator.kind) {
    case "CONV_2D":
    case "DEPTHWISE_CONV_2D":
      return convolve(tensors, operator, contents);
    case "FULLY_CONNECTED":
      return connect(tensors, operator, contents);
    case "AVERAGE_POOL_2D":
    case "MAX_POOL_2D": {
      const { filterHeight, filterWidth, activation } = operator.options;
      const kernel = {
        kernelHeight: filterHeight,
        kernelWidth: filterWidth,
        dilationHeight: 1,
        dilationWidth: 1,
      };
      const call = {
        ...windowSizes(tensor(0).shape, { ...operator.options, ...kernel }),
        ...activationRange(activation, output),
        channels: tensor(0).shape[3]!,
        input: int8(0),
      };
      return operator.kind === "AVERAGE_POOL_2D" ? averagePool2d(call) : maxPool2d(call);
    }
    case "ADD":
    case "SUB":
    case "MUL":
      return combine(tensors, operator, int8(0), int8(1));
    case "PAD": {
      const flat = integers(contents[operator.inputs[1]!]!);
      const paddings = tensor(0).shape.map((_, i): [number, number] => [flat[2 * i]!, flat[2 * i + 1]!]);
      return pad(int8(0), tensor(0).shape, paddings, scaleOf(output).zeroPoint);
    }
    case "MEAN":
      return mean({
        ...rescaling(tensor(0), output),
        input: int8(0),
        inputShape: tensor(0).shape,
        axes: integers(contents[operator.inputs[1]!]!),
      });
    case "CONCATENATION": {
      const shapes = operator.inputs.map((input) => tensors[input]!.shape);
      const { axis } = operator.options;
      return concatenate(
        operator.inputs.map((_, i) => int8(i)),
        shapes,
        axis < 0 ? axis + output.shape.length : axis,
      );
    }
    case "RESHAPE":
    case "SQUEEZE":
    case "EXPAND_DIMS":
      return int8(0).slice();
    case "SOFTMAX": {
      const depth = tensor(0).shape.at(-1)!;
      const parameters = softmaxParameters(operator.options.beta, scaleOf(tensor(0)).scale);
      return softmax({ ...parameters, rows: int8(0).length / depth, depth, input: int8(0) });
    }
    case "LOGISTIC": {
      const { scale, zeroPoint } = scaleOf(tensor(0));
      return logistic({ ...logisticParameters(scale), inputZeroPoint: zeroPoint, input: int8(0) });
    }
    case "RELU":
      return relu({ ...rescaling(tensor(0), output), input: int8(0) });
    case "RELU6": {
      const { scale, zeroPoint } = scaleOf(tensor(0));
      return relu6(int8(0), zeroPoint, clamp(zeroPoint + roundAway(Math.fround(6 / scale)), -128, 127));
    }
    case "QUANTIZE": {
      const input = contents[operator.inputs[0]!]!;
      if (input instanceof Float32Array && output.dtype === "int8") {
        const { scale, zeroPoint } = scaleOf(output);
        return quantizeFloats(input, scale, zeroPoint);
      }
      if (!(input instanceof Int8Array || input instanceof Uint8Array)) break;
      const call = { ...rescaling(tensor(0), output), input };
      return output.dtype === "uint8" ? quantizeToUint8(call) : quantizeToInt8(call);
    }
    case "DEQUANTIZE": {
      const input = contents[operator.inputs[0]!]!;
      if (!(input instanceof Int8Array || input instanceof Uint8Array)) break;
      const { scale, zeroPoint } = scaleOf(tensor(0));
      return dequantize(input, scale, zeroPoint);
    }
  }
  throw new Error(`${operator.kind} from ${tensor(0).dtype} to ${output.dtype} is not defined`);
}

function contentAs<T extends Content>(
  contents: Contents,
  operator: Operator,
  input: number,
  type: new (length: number) => T,
): T {
  const content = contents[operator.inputs[input]!];
  if (!(content instanceof type)) {
    throw new Error(`${operator.kind}: input ${input} has no ${type.name} content`);
  }
  return content;
}

/** Axes or paddings, of int32 or int64. */
function integers(content: Content): number[] {
  return Array.from(content as ArrayLike<number | bigint>, Number);
}

function biasOf(operator: Operator, contents: Contents): Int32Array | null {
  return (operator.inputs[2] ?? -1) === -1 ? null : contentAs(contents, operator, 2, Int32Array);
}

function convolve(
  tensors: readonly Tensor[],
  operator: OperatorOf<"CONV_2D"> | OperatorOf<"DEPTHWISE_CONV_2D">,
  contents: Contents,
): Int8Array {
  const input = tensors[operator.inputs[0]!]!;
  const weights = tensors[operator.inputs[1]!]!;
  const output = tensors[operator.outputs[0]!]!;
  const inputScale = scaleOf(input).scale;
  const outputScale = scaleOf(output).scale;
  const factors = quantizationOf(weights).scales.map((scale) => (inputScale * scale) / outputScale);
  const [, kernelHeight, kernelWidth] = weights.shape as [number, number, number];
  const inputChannels = input.shape[3]!;
  const common = {
    ...windowSizes(input.shape, { ...operator.options, kernelHeight, kernelWidth }),
    ...requantization(factors, input, output, operator.options.activation),
    inputChannels,
    outputChannels: output.shape[3]!,
    input: contentAs(contents, operator, 0, Int8Array),
    weights: contentAs(contents, operator, 1, Int8Array),
    bias: biasOf(operator, contents),
  };
  return operator.kind === "CONV_2D"
    ? conv2d({ ...common, groups: inputChannels / weights.shape[3]! })
    : depthwiseConv2d({ ...common, depthMultiplier: operator.options.depthMultiplier });
}

function connect(
  tensors: readonly Tensor[],
  operator: OperatorOf<"FULLY_CONNECTED">,
  contents: Contents,
): Int8Array {
  const input = tensors[operator.inputs[0]!]!;
  const weights = tensors[operator.inputs[1]!]!;
  const output = tensors[operator.outputs[0]!]!;
  const inputScale = scaleOf(input).scale;
  const outputScale = scaleOf(output).scale;
  const { scales, zeroPoints } = quantizationOf(weights);
  // One scale: the product is float32's. One for each row: float64's.
  const factors =
    scales.length === 1
      ? [Math.fround(inputScale * scales[0]!) / outputScale]
      : scales.map((scale) => (inputScale * scale) / outputScale);
  const [outputDepth, inputDepth] = weights.shape as [number, number];
  return fullyConnected({
    ...requantization(factors, input, output, operator.options.activation),
    batches: elementCount(input.shape) / inputDepth,
    inputDepth,
    outputDepth,
    weightsZeroPoint: scales.length === 1 ? zeroPoints[0]! : 0,
    input: contentAs(contents, operator, 0, Int8Array),
    weights: contentAs(contents, operator, 1, Int8Array),
    bias: biasOf(operator, contents),
  });
}

function combine(
  tensors: readonly Tensor[],
  operator: OperatorOf<"ADD"> | OperatorOf<"SUB"> | OperatorOf<"MUL">,
  input1: Int8Array,
  input2: Int8Array,
): Int8Array {
  const [a, b] = [tensors[operator.inputs[0]!]!, tensors[operator.inputs[1]!]!];
  const output = tensors[operator.outputs[0]!]!;
  const [from1, from2, to] = [scaleOf(a), scaleOf(b), scaleOf(output)];
  const expected = broadcastShape(a.shape, b.shape);
  if (`${expected}` !== `${output.shape}`) {
    throw new Error(
      `${operator.kind}: [${a.shape}] and [${b.shape}] give [${expected}], not [${output.shape}]`,
    );
  }
  const common = {
    input1Shape: a.shape,
    input2Shape: b.shape,
    input1,
    input2,
    input1ZeroPoint: from1.zeroPoint,
    input2ZeroPoint: from2.zeroPoint,
    outputZeroPoint: to.zeroPoint,
    ...activationRange(operator.options.activation, output),
  };
  if (operator.kind === "MUL") {
    const { multiplier, shift } = quantizeMultiplier((from1.scale * from2.scale) / to.scale);
    return mul({ ...common, outputMultiplier: multiplier, outputShift: shift });
  }
  const call = { ...common, ...sumFactors(operator.kind, from1.scale, from2.scale, to.scale) };
  return operator.kind === "ADD" ? add(call) : sub(call);
}
