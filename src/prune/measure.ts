/** What a float network costs and gives once it is quantised and on the chip. */
import { Random } from "../data/random.ts";
import { type Examples, inputsOf, type TrainingSet } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { elementCount } from "../graph/shape.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { createEmulator } from "../mcu/emulator.ts";
import { compileTflite } from "../plan/compile.ts";
import { type CalibrationOptions, drawExamples, quantizeOnSet } from "../quantize/from-set.ts";
import type { QuantizeOptions } from "../quantize/quantize.ts";
import type { Model } from "../runtime/model.ts";
import { writeTflite } from "../tflite/write.ts";
import { logitsOf } from "../train/evaluate.ts";
import { layerShapes, type NetworkDescription, networkCost } from "../train/network/description.ts";
import type { Parameters } from "../train/network/parameters.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import { Network } from "../train/network.ts";
import { type Answers, type PartFigures, partFigures } from "./score.ts";

export interface MeasureOptions extends CalibrationOptions {
  readonly quantize: QuantizeOptions;
  /** The parts to classify. */
  readonly parts: readonly MeasuredPart[];
}

export type MeasuredPart = "validation" | "test";

/** On the emulated RP2040, as `thumbnet emulate` tells it, for one input. */
export interface ChipFigures {
  readonly cycles: number;
  /** Bytes; `sum` is of all. */
  readonly ram: {
    readonly arena: number;
    readonly scratch: number;
    readonly stack: number;
    readonly static: number;
    readonly sum: number;
  };
  readonly flash: { readonly code: number; readonly image: number; readonly sum: number };
}

export interface Figures {
  /** Weights and biases, batch normalisation folded in. */
  readonly parameters: number;
  /** As Keras counts them before folding: what is published. */
  readonly kerasParameters: number;
  readonly macs: number;
  /** Bytes of the int8 `.tflite` file. */
  readonly tfliteBytes: number;
  /** Null where the network does not fit the chip. */
  readonly chip: ChipFigures | null;
  /** With channels that are always constant computed all the same, as other runtimes do. */
  readonly chipUnfolded: ChipFigures | null;
  /** Why `chip` is null. */
  readonly problem: string | null;
  readonly accuracy: { readonly [part in MeasuredPart]?: PartFigures };
}

export interface Measurement {
  readonly figures: Figures;
  /** What it answers on each part, to be compared with. */
  readonly answers: { readonly [part in MeasuredPart]?: Answers };
  readonly float: Uint8Array;
  readonly int8: Uint8Array;
}

/**
 * Parameters as Keras counts them, with the batch normalisation that was folded into an imported network's
 * convolutions: four values a channel.
 */
export function kerasParameters(network: NetworkDescription): number {
  const shapes = layerShapes(network);
  return network.layers.reduce((sum, layer, i) => {
    const isFolded =
      (layer.kind === "conv" || layer.kind === "pointwise" || layer.kind === "depthwise") &&
      layer.bias &&
      network.layers[i + 1]?.kind === "relu";
    return isFolded ? sum + 4 * shapes[i]!.at(-1)! : sum;
  }, networkCost(network).kerasParameters);
}

/** Runs one input on the emulated chip. @throws ThumbnetError where the model does not fit */
function onChip(tflite: Uint8Array, name: string, input: Float32Array, foldConstants: boolean): ChipFigures {
  const emulator = createEmulator(compileTflite(tflite, name, { foldConstants }), { name });
  const { cycles, stackBytes: stack } = emulator.run([input]);
  const { arena, scratch, static: variables, code, image } = emulator.memory;
  return {
    cycles,
    ram: { arena, scratch, stack, static: variables, sum: arena + scratch + stack + variables },
    flash: { code, image, sum: code + image },
  };
}

/** As probabilities: the model's output in real numbers, [N, classes]. */
function int8Outputs(model: Model, examples: Examples, elements: number): Float32Array {
  const { scale, zeroPoint, elements: classes } = model.outputs[0]!;
  const result = new Float32Array(examples.count * classes);
  for (let i = 0; i < examples.count; i++) {
    const output = model.run(inputsOf(examples, [i], elements));
    for (let c = 0; c < classes; c++) result[i * classes + c] = scale * (output[c]! - zeroPoint);
  }
  return result;
}

/**
 * Quantises a network, classifies examples with both forms, and runs the int8 one on the emulated chip.
 *
 * @param reference answers of the network that it is compared with, on the same examples
 * @throws ThumbnetError where the network cannot be quantised
 */
export async function measureNetwork(
  description: NetworkDescription,
  parameters: Parameters,
  data: TrainingSet,
  options: MeasureOptions,
  reference: Measurement["answers"] | null,
): Promise<Measurement> {
  const { name } = description;
  const graph = graphFromNetwork(description, parameters);
  const elements = elementCount(data.inputShape);
  const { bytes: int8, model } = await quantizeOnSet(graph, data, options, options.quantize, name);
  const accuracy: { [part in MeasuredPart]?: PartFigures } = {};
  const answers: { [part in MeasuredPart]?: Answers } = {};
  const network = new Network(description, parameters, "measured/");
  try {
    for (const part of options.parts) {
      const examples = data[part];
      const own: Answers = {
        float: logitsOf(network, examples),
        int8: int8Outputs(model, examples, elements),
        labels: examples.labels,
      };
      answers[part] = own;
      accuracy[part] = partFigures(own, reference?.[part] ?? null);
    }
  } finally {
    network.dispose();
    model.dispose();
  }
  const [input] = drawExamples(data, 1, new Random(options.seed));
  const chips: (ChipFigures | null)[] = [];
  let problem: string | null = null;
  for (const foldConstants of [true, false]) {
    try {
      chips.push(onChip(int8, name, input!, foldConstants));
    } catch (error) {
      if (!(error instanceof ThumbnetError)) throw error;
      chips.push(null);
      problem ??= error.message;
    }
  }
  const { macs, parameters: count } = networkCost(description);
  const figures: Figures = {
    parameters: count,
    kerasParameters: kerasParameters(description),
    macs,
    tfliteBytes: int8.length,
    chip: chips[0]!,
    chipUnfolded: chips[1]!,
    problem,
    accuracy,
  };
  return { figures, answers, float: writeTflite(tfliteFromGraph(graph)), int8 };
}
