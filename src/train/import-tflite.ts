/** A float graph as a trainable network: of a `.tflite` file, whose batch normalisation is folded into weights. */
import { ThumbnetError } from "../errors.ts";
import { operatorLabel } from "../graph/check/problems.ts";
import { finalOutput } from "../graph/exits.ts";
import type { Activation, Graph, Operator, OperatorOf } from "../graph/graph.ts";
import { formatShape } from "../graph/shape.ts";
import { constantValues } from "../quantize/float-operators.ts";
import {
  INPUT,
  type Layer,
  layerShapes,
  type NetworkDescription,
  type Shape,
} from "./network/description.ts";
import type { PlainNetwork, Values } from "./network/parameters.ts";

/** Kinds that can be imported, for messages. */
const SUPPORTED =
  "CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, AVERAGE_POOL_2D, ADD, RELU, RELU6, RESHAPE that flattens, " +
  "and a SOFTMAX at the end";

type Convolution = OperatorOf<"CONV_2D"> | OperatorOf<"DEPTHWISE_CONV_2D">;

class Importer {
  readonly layers: Layer[] = [];
  readonly parameters = new Map<string, Values>();
  readonly #graph: Graph;
  /** The layer, or `INPUT`, that gives each tensor. */
  readonly #layerOf = new Map<number, string>();
  readonly #counts = new Map<string, number>();
  /** Of the softmax that gives an output. */
  readonly #temperatures = new Map<number, number>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#layerOf.set(graph.inputs[0]!, INPUT);
  }

  /** What gives the logits of an output, and their temperature where it is none but 1. */
  answer(output: number): { layer: string; temperature?: number } {
    const temperature = this.#temperatures.get(output) ?? 1;
    const layer = this.#layerOf.get(output)!;
    return temperature === 1 ? { layer } : { layer, temperature };
  }

  #next(what: string): number {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    return count;
  }

  /** Adds a layer that reads what gives a tensor, and says so only where that is not the layer before. */
  #add(layer: Layer, reads: number): string {
    const input = this.#layerOf.get(reads)!;
    const before = this.layers.at(-1)?.name ?? INPUT;
    this.layers.push(input === before ? layer : { ...layer, input });
    return layer.name;
  }

  #activation(name: string, activation: Activation): string {
    if (activation === "NONE") return name;
    if (activation === "RELU_N1_TO_1") throw new ThumbnetError("has the activation RELU_N1_TO_1");
    const relu = `${name}/relu`;
    this.layers.push({
      kind: "relu",
      name: relu,
      ...(activation === "RELU6" ? { limit: 6 as const } : {}),
    });
    return relu;
  }

  /** Keeps weights, given as [outputs, inputs] or (depthwise) [inputs, outputs], and the bias. */
  #weights(op: Operator, name: string, shape: Shape, isTransposed: boolean): boolean {
    const [, weights, bias] = op.inputs as [number, number, number];
    const tensor = this.#graph.tensors[weights]!;
    if (tensor.data === null) throw new ThumbnetError("has weights that are computed");
    const source = constantValues(tensor);
    const values = new Float32Array(source.length);
    const outputs = isTransposed ? tensor.shape[0]! : 1;
    const each = source.length / outputs;
    for (let i = 0; i < source.length; i++) values[(i % each) * outputs + Math.floor(i / each)] = source[i]!;
    this.parameters.set(`${name}/weights`, { shape, values });
    if (bias < 0) return false;
    const biases = constantValues(this.#graph.tensors[bias]!);
    this.parameters.set(`${name}/bias`, { shape: [biases.length], values: biases });
    return true;
  }

  #convolution(op: Convolution): string {
    const { options } = op;
    const [x, weights] = [op.inputs[0]!, this.#graph.tensors[op.inputs[1]!]!];
    const [outputs, height, width, depth] = weights.shape as [number, number, number, number];
    if (options.dilationHeight !== 1 || options.dilationWidth !== 1) throw new ThumbnetError("is dilated");
    const stride = [options.strideHeight, options.strideWidth] as const;
    const window = { kernel: [height, width] as const, stride, padding: options.padding };
    if (op.kind === "DEPTHWISE_CONV_2D") {
      if (op.options.depthMultiplier !== 1) throw new ThumbnetError("has a depth multiplier");
      const name = `block${this.#next("block")}/depthwise`;
      const bias = this.#weights(op, name, [height, width, depth, 1], false);
      return this.#add({ kind: "depthwise", name, ...window, bias }, x);
    }
    if (this.#graph.tensors[x]!.shape[3] !== depth) throw new ThumbnetError("is grouped");
    const isPointwise = height * width * stride[0] * stride[1] === 1;
    const block = this.#counts.get("block");
    const inBlock =
      isPointwise && block !== undefined && !this.parameters.has(`block${block}/pointwise/weights`);
    const name = inBlock ? `block${block}/pointwise` : `conv${this.#next("conv")}`;
    const bias = this.#weights(op, name, [height, width, depth, outputs], true);
    const layer: Layer = isPointwise
      ? { kind: "pointwise", name, filters: outputs, bias }
      : { kind: "conv", name, filters: outputs, ...window, bias };
    return this.#add(layer, x);
  }

  operator(op: Operator): void {
    const output = op.outputs[0]!;
    const [x, second] = op.inputs as [number, number];
    const set = (name: string) => this.#layerOf.set(output, name);
    switch (op.kind) {
      case "CONV_2D":
      case "DEPTHWISE_CONV_2D":
        set(this.#activation(this.#convolution(op), op.options.activation));
        return;
      case "FULLY_CONNECTED": {
        const count = this.#next("dense");
        const name = count === 1 ? "dense" : `dense${count}`;
        const [outputs, inputs] = this.#graph.tensors[second]!.shape as [number, number];
        const bias = this.#weights(op, name, [inputs, outputs], true);
        this.#add({ kind: "dense", name, units: outputs, bias }, x);
        set(this.#activation(name, op.options.activation));
        return;
      }
      case "AVERAGE_POOL_2D":
        set(this.#activation(this.#pool(op), op.options.activation));
        return;
      case "ADD": {
        const name = `add${this.#next("add")}`;
        const other = this.#layerOf.get(second);
        if (other === undefined) throw new ThumbnetError("adds a constant");
        this.#add({ kind: "add", name, other }, x);
        set(this.#activation(name, op.options.activation));
        return;
      }
      case "RELU":
      case "RELU6": {
        const name = `relu${this.#next("relu")}`;
        set(this.#add({ kind: "relu", name, ...(op.kind === "RELU6" ? { limit: 6 as const } : {}) }, x));
        return;
      }
      case "RESHAPE": {
        // Dense layers flatten what they read.
        const { shape } = this.#graph.tensors[output]!;
        if (shape.length !== 2 || shape[0] !== 1) throw new ThumbnetError(`gives ${formatShape(shape)}`);
        set(this.#layerOf.get(x)!);
        return;
      }
      case "SOFTMAX":
        if (!this.#graph.outputs.includes(output)) throw new ThumbnetError("is not at the end");
        set(this.#layerOf.get(x)!);
        this.#temperatures.set(output, 1 / op.options.beta);
        return;
      default:
        throw new ThumbnetError(`can not be trained; supported: ${SUPPORTED}`);
    }
  }

  #pool({ options, inputs }: OperatorOf<"AVERAGE_POOL_2D">): string {
    const [, height, width] = this.#graph.tensors[inputs[0]!]!.shape as [number, number, number];
    const { filterHeight, filterWidth, strideHeight, strideWidth, padding } = options;
    const count = this.#next("pool");
    const name = count === 1 ? "pool" : `pool${count}`;
    if (padding === "VALID" && filterHeight === height && filterWidth === width) {
      return this.#add({ kind: "globalAveragePool", name }, inputs[0]!);
    }
    const [kernel, stride] = [[filterHeight, filterWidth] as const, [strideHeight, strideWidth] as const];
    return this.#add({ kind: "averagePool", name, kernel, stride, padding }, inputs[0]!);
  }
}

/**
 * The network that a float graph computes, with its logits as output. Layers are called conv1, conv2, … ; a
 * depthwise convolution and the pointwise one after it block1/depthwise and block1/pointwise, and so on; the ReLU
 * after a layer `<layer>/relu`. Weights in int8 with scales (of a dynamic-range file) become float.
 *
 * @throws ThumbnetError naming the operator that has no form as a layer
 */
export function networkFromGraph(graph: Graph): PlainNetwork {
  const { inputs, outputs, tensors, exits = [] } = graph;
  const shape = tensors[inputs[0] ?? -1]?.shape ?? [];
  if (inputs.length !== 1 || outputs.length !== exits.length + 1 || shape.length !== 4 || shape[0] !== 1) {
    const found = "one input [1,height,width,channels] and one output that is no exit";
    throw new ThumbnetError(`${graph.name}: supported: ${found}`);
  }
  const importer = new Importer(graph);
  graph.operators.forEach((op, i) => {
    try {
      const { dtype } = tensors[op.outputs[0]!]!;
      if (dtype !== "float32") {
        throw new ThumbnetError(`gives ${dtype}; supported: networks in float32, before they are quantised`);
      }
      importer.operator(op);
    } catch (error) {
      if (!(error instanceof ThumbnetError)) throw error;
      throw new ThumbnetError(`${graph.name}: ${operatorLabel(graph, i)}: ${error.message}`);
    }
  });
  const final = finalOutput(graph);
  const { layer: logits, temperature } = importer.answer(final);
  const description: NetworkDescription = {
    name: graph.name.replace(/\.tflite$/, ""),
    inputShape: [shape[1]!, shape[2]!, shape[3]!],
    layers: importer.layers,
    ...(temperature !== undefined && { temperature }),
    ...(exits.length > 0 && {
      exits: exits.map(({ tensor }) => ({ name: tensors[tensor]!.name, ...importer.answer(tensor) })),
    }),
  };
  if (logits !== importer.layers.at(-1)?.name) {
    throw new ThumbnetError(`${graph.name}: the last layer does not give the output`);
  }
  layerShapes(description);
  return { description, parameters: importer.parameters };
}
