/** A float graph that runs, in plain TypeScript: the measure of its quantised form. */
import { ThumbnetError } from "../errors.ts";
import { operatorLabel } from "../graph/check/problems.ts";
import type { Graph, Operator } from "../graph/graph.ts";
import { elementCount, formatShape } from "../graph/shape.ts";
import {
  activate,
  constantValues,
  FLOAT_KINDS,
  floatOperator,
  WEIGHTED,
  weightedSums,
} from "./float-operators.ts";

/** The activations that an operator reads: without weights, biases and shapes. */
export function activationInputs(graph: Graph, op: Operator): number[] {
  return op.inputs.filter((index) => index >= 0 && graph.tensors[index]!.data === null);
}

/**
 * @throws ThumbnetError where the graph is none that can be quantised: not one float input, no output, a batch,
 *   other operators than `FLOAT_KINDS`, computed weights, grouped convolutions, broadcast additions
 */
export function checkFloatGraph(graph: Graph): void {
  const { inputs, outputs, tensors, operators } = graph;
  if (inputs.length !== 1 || outputs.length === 0) {
    throw new ThumbnetError(
      `${graph.name}: has ${inputs.length} inputs and ${outputs.length} outputs; supported: 1, and 1 or more`,
    );
  }
  const problems = operators.flatMap((op, i): string[] => {
    const report = (problem: string) => [`${operatorLabel(graph, i)}: ${problem}`];
    if (!FLOAT_KINDS.includes(op.kind)) return report(`supported: ${FLOAT_KINDS.join(", ")}`);
    const types = [...activationInputs(graph, op), ...op.outputs].map((t) => tensors[t]!.dtype);
    const odd = types.find((type) => type !== "float32");
    if (odd !== undefined) return report(`has ${odd} activations; supported: float32`);
    const [x, second] = op.inputs.map((t) => tensors[t]?.shape ?? []);
    if (WEIGHTED.has(op.kind)) {
      if (tensors[op.inputs[1]!]!.data === null) return report("has weights that are computed");
      if (op.kind === "CONV_2D" && x![3] !== second![3]) return report("is grouped");
    }
    if (op.kind === "ADD" && activationInputs(graph, op).length !== 2) return report("adds a constant");
    if (op.kind === "ADD" && elementCount(x!) !== elementCount(second!)) return report("broadcasts");
    const batch = tensors[op.outputs[0]!]!.shape;
    return batch.length === 4 && batch[0] !== 1 ? report(`gives a batch, ${formatShape(batch)}`) : [];
  });
  if (problems.length > 0) {
    throw new ThumbnetError(`${graph.name}: cannot be quantised:\n  ${problems.join("\n  ")}`);
  }
}

export class FloatModel {
  readonly graph: Graph;
  readonly #constants: ReadonlyMap<number, Float32Array>;

  /** @throws ThumbnetError; see `checkFloatGraph` */
  constructor(graph: Graph) {
    checkFloatGraph(graph);
    this.graph = graph;
    const weights = graph.operators.flatMap((op) =>
      WEIGHTED.has(op.kind) ? op.inputs.slice(1).filter((index) => index >= 0) : [],
    );
    this.#constants = new Map(weights.map((index) => [index, constantValues(graph.tensors[index]!)]));
  }

  /** A weight or bias; null for a bias that is absent. */
  constant(index: number): Float32Array | null {
    return this.#constants.get(index) ?? null;
  }

  /**
   * The result of an operator before its activation, where it is one with weights; else the whole result.
   *
   * @param inputs its activations
   */
  compute(op: Operator, inputs: readonly Float32Array[]): Float32Array {
    if (!WEIGHTED.has(op.kind)) return floatOperator(this.graph, op, inputs);
    const [, weights, bias] = op.inputs as [number, number, number];
    return weightedSums(this.graph, op, inputs[0]!, this.constant(weights)!, this.constant(bias));
  }

  /** The result of every operator, in order. @param input [elements of the input] */
  trace(input: Float32Array): Float32Array[] {
    const values = new Map([[this.graph.inputs[0]!, input]]);
    return this.graph.operators.map((op) => {
      const inputs = activationInputs(this.graph, op).map((index) => values.get(index)!);
      const result = this.compute(op, inputs);
      if (WEIGHTED.has(op.kind) && "activation" in op.options) activate(result, op.options.activation);
      values.set(op.outputs[0]!, result);
      return result;
    });
  }

  /** The graph's first output. */
  run(input: Float32Array): Float32Array {
    const results = this.trace(input);
    return results[this.graph.operators.findIndex((op) => op.outputs[0] === this.graph.outputs[0])]!;
  }
}
