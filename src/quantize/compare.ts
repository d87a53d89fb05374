/** How far a quantised network is from its float form: measured with the real runtime. */
import { topClass } from "../data/top-class.ts";
import { type Examples, inputsOf } from "../data/training-set.ts";
import type { Graph, OperatorKind } from "../graph/graph.ts";
import { elementCount } from "../graph/shape.ts";
import type { Model } from "../runtime/model.ts";
import type { FloatModel } from "./float-model.ts";
import type { Affine } from "./ranges.ts";

export interface LayerNoise {
  readonly index: number;
  readonly kind: OperatorKind;
  readonly name: string;
  /** Mean square of the float values over that of the difference, in decibels. */
  readonly decibels: number;
}

/**
 * The signal-to-noise ratio after each operator: errors of all operators before it included.
 *
 * @param int8 what `quantizeGraph` made of the float model
 * @param model `int8`, loaded
 */
export function signalToNoise(
  float: FloatModel,
  int8: Graph,
  model: Model,
  inputs: readonly Float32Array[],
): LayerNoise[] {
  const operators = int8.operators;
  const signal = new Float64Array(operators.length);
  const noise = new Float64Array(operators.length);
  for (const input of inputs) {
    const wanted = float.trace(input);
    const found = model.trace(input);
    operators.forEach((op, i) => {
      const { scales, zeroPoints } = int8.tensors[op.outputs[0]!]!.quantization!;
      const affine: Affine = { scale: scales[0]!, zeroPoint: zeroPoints[0]! };
      const { bytes } = found[i]!;
      const stored = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      wanted[i]!.forEach((value, j) => {
        signal[i]! += value * value;
        noise[i]! += (affine.scale * (stored[j]! - affine.zeroPoint) - value) ** 2;
      });
    });
  }
  return operators.map((op, index) => ({
    index,
    kind: op.kind,
    name: int8.tensors[op.outputs[0]!]!.name,
    decibels: 10 * Math.log10(signal[index]! / noise[index]!),
  }));
}

export interface Agreement {
  readonly count: number;
  readonly floatAccuracy: number;
  readonly int8Accuracy: number;
  /** Share of examples that both give the same class. */
  readonly agreement: number;
}

/** Classifies examples with both, by their first outputs whatever exits say. The largest output is the class, the first on a tie. */
export function compareAccuracy(
  float: FloatModel,
  model: Model,
  examples: Examples,
  onExample: () => void = () => {},
): Agreement {
  const { graph } = float;
  const elements = elementCount(graph.tensors[graph.inputs[0]!]!.shape);
  let [floatRight, int8Right, same] = [0, 0, 0];
  for (let i = 0; i < examples.count; i++) {
    const input = inputsOf(examples, [i], elements);
    const wanted = topClass(float.run(input));
    const found = topClass(model.runAll(input)[0]!);
    if (wanted === examples.labels[i]) floatRight++;
    if (found === examples.labels[i]) int8Right++;
    if (found === wanted) same++;
    onExample();
  }
  const { count } = examples;
  return {
    count,
    floatAccuracy: floatRight / count,
    int8Accuracy: int8Right / count,
    agreement: same / count,
  };
}
