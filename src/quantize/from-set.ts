/** An int8 model from a float graph and a training set. */
import { Random } from "../data/random.ts";
import { inputsOf, type TrainingSet } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { finalOutput } from "../graph/exits.ts";
import type { Graph } from "../graph/graph.ts";
import { elementCount, formatShape } from "../graph/shape.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { loadModel } from "../runtime/load.ts";
import type { Model } from "../runtime/model.ts";
import { writeTflite } from "../tflite/write.ts";
import { type QuantizeOptions, quantizeGraph } from "./quantize.ts";

export interface CalibrationOptions {
  /** Training examples for the ranges. */
  readonly calibration: number;
  /** Of their choice. */
  readonly seed: number;
}

export interface QuantizedModel {
  readonly int8: Graph;
  /** As `.tflite`. */
  readonly bytes: Uint8Array;
  /** The same, loaded. */
  readonly model: Model;
}

/** @throws ThumbnetError when a data set does not fit a classifier's input and final output */
export function checkGraphFits(graph: Graph, data: TrainingSet): void {
  const input = graph.tensors[graph.inputs[0]!]!;
  if (graph.inputs.length !== 1 || elementCount(input.shape) !== elementCount(data.inputShape)) {
    throw new ThumbnetError(
      `${graph.name}: takes ${formatShape(input.shape)}, the data set ${data.name} has ${formatShape(data.inputShape)}`,
    );
  }
  const classes = elementCount(graph.tensors[finalOutput(graph)]!.shape);
  if (classes !== data.classes.length) {
    throw new ThumbnetError(
      `${graph.name}: gives ${classes} classes, the data set ${data.name} has ${data.classes.length}`,
    );
  }
}

/** Plain training examples, drawn at random. */
export function drawExamples(
  { train, inputShape }: TrainingSet,
  count: number,
  random: Random,
): Float32Array[] {
  const order = random.permutation(train.count).subarray(0, count);
  return Array.from(order, (index) => inputsOf(train, [index], elementCount(inputShape)));
}

/**
 * `quantizeGraph` with examples drawn from a training set.
 *
 * @param name of the model
 * @param onOperator called after each operator, for progress
 * @throws ThumbnetError where the graph cannot be quantised, or the data set does not fit it
 */
export async function quantizeOnSet(
  graph: Graph,
  data: TrainingSet,
  { calibration, seed }: CalibrationOptions,
  options: Omit<QuantizeOptions, "input">,
  name: string,
  onOperator: () => void = () => {},
): Promise<QuantizedModel> {
  checkGraphFits(graph, data);
  const examples = drawExamples(data, calibration, new Random(seed));
  const input = data.inputAffine ? { input: data.inputAffine } : {};
  const int8 = quantizeGraph(graph, examples, { ...options, ...input }, onOperator);
  const bytes = writeTflite(tfliteFromGraph(int8));
  return { int8, bytes, model: await loadModel(bytes, { name }) };
}
