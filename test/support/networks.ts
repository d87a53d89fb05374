import type { Examples, TrainingSet } from "../../src/data/training-set.ts";
import { elementCount } from "../../src/graph/shape.ts";
import type { TrainOptions } from "../../src/train/loop.ts";
import type { Layer, NetworkDescription } from "../../src/train/network/description.ts";
import { classifier, convUnit, separableUnit } from "../../src/train/network/factories.ts";
import { initialParameters, type Parameters } from "../../src/train/network/parameters.ts";
import { Random } from "./random.ts";

interface SmallOptions {
  readonly name?: string;
  readonly inputShape?: NetworkDescription["inputShape"];
  readonly stride?: 1 | 2;
  readonly filters?: number;
  /** Filters of each separable block. */
  readonly blocks?: readonly number[];
  /** Before the classifier. */
  readonly last?: readonly Layer[];
}

/** A classifier of two classes: by default of [8,8,1], with a convolution and two separable blocks of 8 filters. */
export function smallNetwork({
  name = "small",
  inputShape = [8, 8, 1],
  stride = 1,
  filters = 8,
  blocks = [filters, filters],
  last = [],
}: SmallOptions = {}): NetworkDescription {
  return {
    name,
    inputShape,
    layers: [
      ...convUnit("conv1", filters, [3, 3], [stride, stride]),
      ...blocks.flatMap((own, i) => separableUnit(`block${i + 1}`, own)),
      ...last,
      ...classifier(2, 0),
    ],
  };
}

/** Options of a short training run on `stripeSet`. */
export const SHORT_TRAINING: TrainOptions = {
  epochs: 6,
  batch: 16,
  seed: 7,
  schedule: { kind: "cosine", rate: 0.01, warmup: 1 },
  labelSmoothing: 0,
  weightDecay: 0,
  average: 0.9,
  patience: 0,
  augmentation: 1,
  mix: 0,
  variants: 0,
};

/** Parameters as after training: no value of batch normalisation or bias is what it starts from. */
export function randomParameters(network: NetworkDescription, seed: number): Parameters {
  const random = new Random(seed);
  const parameters = initialParameters(network, seed);
  for (const [name, { values }] of parameters) {
    if (name.endsWith("/weights")) continue;
    const isPositive = name.endsWith("/gamma") || name.endsWith("/variance");
    values.forEach((_, i) => {
      values[i] = isPositive ? 0.5 + random.unit() : 0.3 * random.normal();
    });
  }
  return parameters;
}

export function randomInput(network: NetworkDescription, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: elementCount(network.inputShape) }, () => random.normal());
}

/** Stripes, level or upright by class, in noise; what is asked for with a variation is noisier. */
export function stripes(shape: readonly [number, number, number], count: number, seed: number): Examples {
  const [height, width, channels] = shape;
  const random = new Random(seed);
  const labels = Uint16Array.from({ length: count }, (_, i) => i % 2);
  const phases = Uint8Array.from({ length: count }, () => random.integer(0, 1));
  return {
    count,
    labels,
    write(index, out, offset, variation) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const stripe = ((labels[index] === 0 ? x : y) + phases[index]!) % 2 === 0 ? 1 : -1;
          for (let c = 0; c < channels; c++) {
            const noise = variation === null ? 0 : variation.random.normal() * variation.strength;
            out[offset + (y * width + x) * channels + c] = stripe + 0.3 * noise;
          }
        }
      }
    },
  };
}

export function stripeSet(shape: readonly [number, number, number] = [8, 8, 1]): TrainingSet {
  return {
    name: "stripes",
    inputShape: shape,
    classes: ["upright", "level"],
    train: stripes(shape, 64, 1),
    validation: stripes(shape, 20, 2),
    test: stripes(shape, 20, 3),
  };
}
