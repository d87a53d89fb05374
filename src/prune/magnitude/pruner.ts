/**
 * Gradual magnitude pruning: while a network trains, the weights or blocks of weights that are smallest become zero,
 * more and more of them (Zhu and Gupta 2017, arXiv 1710.01878).
 */
import * as tf from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../../errors.ts";
import type { Constraint } from "../../train/loop.ts";
import { type NetworkDescription, networkParameters, type Shape } from "../../train/network/description.ts";
import type { Parameters } from "../../train/network/parameters.ts";
import type { Network } from "../../train/network.ts";
import {
  type Block,
  type BlockLayout,
  blockEnergies,
  keptBlocks,
  layerAdaptiveScores,
  trainingLayout,
} from "./blocks.ts";

export interface MagnitudeOptions {
  /** Of the weights that are pruned, the share that is zero in the end; 0 to 1. */
  readonly sparsity: number;
  readonly block: Block;
  /** One threshold for all layers, or in each layer the same share. */
  readonly scope: "global" | "layer";
  /** Whether the first layer is pruned too. */
  readonly firstLayer: boolean;
  /** Epochs over which sparsity rises; in those after them the masks stay. */
  readonly ramp: number;
  /** Steps between choices of what is zero, while sparsity rises. */
  readonly every: number;
}

/** The sparsity at a share of the ramp, 0 to 1: s (1 - (1 - t)^3). */
export function rampedSparsity(sparsity: number, share: number): number {
  return sparsity * (1 - (1 - Math.min(1, share)) ** 3);
}

interface PrunedWeights {
  /** Of the parameter. */
  readonly name: string;
  readonly shape: Shape;
}

/** The weights that are pruned: of convolutions and dense layers, not of depthwise ones, which hold few. */
export function prunedWeights(network: NetworkDescription, firstLayer: boolean): PrunedWeights[] {
  const weights = networkParameters(network).filter(({ kind }) => kind === "weights");
  const depthwise = new Set(
    network.layers.filter(({ kind }) => kind === "depthwise").map(({ name }) => `${name}/weights`),
  );
  return weights.filter(({ name }, i) => !depthwise.has(name) && (firstLayer || i > 0));
}

interface Masked extends PrunedWeights {
  readonly layout: BlockLayout;
  /** Of each block: 1 where it stays. */
  kept: Uint8Array;
  /** The same of each weight; null before the first is dropped. */
  mask: tf.Tensor | null;
}

export class MagnitudePruner implements Constraint {
  readonly bestFrom: number;
  readonly #options: MagnitudeOptions;
  readonly #rampSteps: number;
  readonly #weights: Masked[];

  /**
   * @param stepsPerEpoch of the training run
   * @throws ThumbnetError when there is nothing to prune, or the options make no sense
   */
  constructor(network: Network, options: MagnitudeOptions, stepsPerEpoch: number) {
    const { sparsity, ramp, every, block, firstLayer } = options;
    const name = network.description.name;
    if (!(sparsity >= 0 && sparsity < 1)) {
      throw new ThumbnetError(`${name}: a sparsity of ${sparsity}; it must be from 0 to below 1`);
    }
    if (!(ramp >= 1 && every >= 1)) {
      throw new ThumbnetError(
        `${name}: sparsity rises over ${ramp} epochs, and weights are chosen every ${every} steps; both must be 1 or more`,
      );
    }
    this.#options = options;
    this.bestFrom = Math.ceil(ramp);
    this.#rampSteps = Math.ceil(ramp * stepsPerEpoch);
    this.#weights = prunedWeights(network.description, firstLayer).map(({ name, shape }) => {
      const layout = trainingLayout(shape, block);
      return { name, shape, layout, kept: new Uint8Array(layout.sizes.length).fill(1), mask: null };
    });
    if (this.#weights.length === 0) throw new ThumbnetError(`${name}: has no weights that can be pruned`);
  }

  /** Blocks that are zero stay so: those of a network that was pruned before, and of a run that goes on. */
  start(network: Network): void {
    for (const weights of this.#weights) {
      const energies = blockEnergies(this.#values(network, weights), weights.layout);
      this.#setKept(weights, (b) => energies[b] !== 0);
    }
  }

  afterStep(network: Network, steps: number): void {
    const isDue = steps === this.#rampSteps || steps % this.#options.every === 0;
    if (isDue && steps <= this.#rampSteps) this.#choose(network, steps / this.#rampSteps);
    for (const { name, mask } of this.#weights) {
      if (mask === null) continue;
      const variable = network.variable(name);
      const masked = tf.mul(variable, mask);
      variable.assign(masked);
      masked.dispose();
    }
  }

  apply(parameters: Parameters): void {
    for (const { name, layout, kept } of this.#weights) {
      const { values } = parameters.get(name)!;
      for (let i = 0; i < values.length; i++) if (kept[layout.blockOf[i]!] === 0) values[i] = 0;
    }
  }

  dispose(): void {
    for (const weights of this.#weights) {
      weights.mask?.dispose();
      weights.mask = null;
    }
  }

  #values(network: Network, { name }: Masked): Float32Array {
    return network.variable(name).dataSync<"float32">();
  }

  /** Drops more blocks; what was dropped stays so. */
  #choose(network: Network, share: number): void {
    const { sparsity, scope } = this.#options;
    const wanted = rampedSparsity(sparsity, share);
    const scored = this.#weights.map((weights) => {
      const energies = blockEnergies(this.#values(network, weights), weights.layout);
      // A step has moved what is zero; it goes first all the same.
      const held = energies.map((energy, b) => energy * weights.kept[b]!);
      return { scores: scope === "global" ? layerAdaptiveScores(held) : held, sizes: weights.layout.sizes };
    });
    const chosen =
      scope === "global"
        ? keptBlocks(scored, wanted)
        : scored.map((layer) => keptBlocks([layer], wanted)[0]!);
    this.#weights.forEach((weights, i) => {
      this.#setKept(weights, (b) => weights.kept[b] === 1 && chosen[i]![b] === 1);
    });
  }

  #setKept(weights: Masked, stays: (block: number) => boolean): void {
    weights.kept = weights.kept.map((_, b) => (stays(b) ? 1 : 0));
    weights.mask?.dispose();
    const { blockOf } = weights.layout;
    const mask = Float32Array.from(blockOf, (b) => weights.kept[b]!);
    weights.mask = weights.kept.includes(0) ? tf.keep(tf.tensor(mask, [...weights.shape])) : null;
  }
}
