/** Blocks of weights that are pruned together, and which of them go. */
import { ThumbnetError } from "../../errors.ts";
import type { Shape } from "../../train/network/description.ts";

/** 1 by 1: every weight on its own. */
export interface Block {
  /** Output channels next to each other. */
  readonly outputs: number;
  /** Inputs next to each other: of a row of a convolution's window, or of a dense layer. */
  readonly inputs: number;
}

/** What the SIMD matrix product leaves out when all of it is zero (assembly/support/gemm.ts). */
export const SKIPPED_BLOCK: Block = { outputs: 8, inputs: 2 };

/** Parses `8x2`. @throws ThumbnetError when it is something else */
export function parseBlock(text: string): Block {
  const [, outputs, inputs] = /^([1-9]\d{0,3})x([1-9]\d{0,3})$/.exec(text) ?? [];
  if (outputs === undefined) {
    throw new ThumbnetError(`"${text}" is no block; expected: output channels x inputs, 1x1 or 8x2`);
  }
  return { outputs: Number(outputs), inputs: Number(inputs) };
}

/** How the weights of a layer are divided. Blocks at the edges may be smaller. */
export interface BlockLayout {
  /** The block of each weight. */
  readonly blockOf: Uint32Array;
  /** Weights in each block. */
  readonly sizes: Uint32Array;
}

/**
 * @param rows windows' rows, or 1
 * @param length inputs in a row
 * @param isOutputLast whether weights lie as [rows, length, outputs], else as [outputs, rows, length]
 */
function layOut(
  rows: number,
  length: number,
  outputs: number,
  isOutputLast: boolean,
  block: Block,
): BlockLayout {
  const across = Math.ceil(outputs / block.outputs);
  const along = Math.ceil(length / block.inputs);
  const sizes = new Uint32Array(rows * along * across);
  const depth = rows * length;
  const blockOf = Uint32Array.from({ length: depth * outputs }, (_, i) => {
    const [output, input] = isOutputLast
      ? [i % outputs, Math.floor(i / outputs)]
      : [Math.floor(i / depth), i % depth];
    const [row, position] = [Math.floor(input / length), input % length];
    const index =
      (row * along + Math.floor(position / block.inputs)) * across + Math.floor(output / block.outputs);
    sizes[index]!++;
    return index;
  });
  return { blockOf, sizes };
}

/** Of weights as networks in training have them: [KH,KW,C,O], or dense [I,O]. */
export function trainingLayout(shape: Shape, block: Block): BlockLayout {
  const [height, width, inputs, outputs] = shape.length === 2 ? [1, 1, ...shape] : shape;
  return layOut(height!, width! * inputs!, outputs!, true, block);
}

/** Of weights as a `.tflite` has them: [O,KH,KW,C], or fully connected [O,I]. */
export function tfliteLayout(shape: Shape, block: Block): BlockLayout {
  const [outputs, height, width, inputs] = shape.length === 2 ? [shape[0], 1, 1, shape[1]] : shape;
  return layOut(height!, width! * inputs!, outputs!, false, block);
}

/** The mean square of each block's weights: its L2 norm, made comparable where blocks at an edge are smaller. */
export function blockEnergies(weights: ArrayLike<number>, { blockOf, sizes }: BlockLayout): Float64Array {
  const energies = new Float64Array(sizes.length);
  for (let i = 0; i < weights.length; i++) energies[blockOf[i]!]! += weights[i]! ** 2;
  return energies.map((energy, b) => energy / sizes[b]!);
}

/** The share of blocks that are all zero. */
export function zeroBlockShare(weights: ArrayLike<number>, layout: BlockLayout): number {
  const energies = blockEnergies(weights, layout);
  return energies.filter((energy) => energy === 0).length / energies.length;
}

export interface BlockScores {
  /** The higher, the longer a block stays. */
  readonly scores: Float64Array;
  /** Weights in each. */
  readonly sizes: Uint32Array;
}

/**
 * Scores that can be compared across layers, whatever the scale of their weights: each energy over the sum of those
 * in its layer that are at least as large (LAMP; Lee et al. 2021, arXiv 2010.07611). The last block of a layer has 1.
 */
export function layerAdaptiveScores(energies: Float64Array): Float64Array {
  const order = energies.map((_, b) => b).sort((a, b) => energies[b]! - energies[a]! || a - b);
  const scores = new Float64Array(energies.length);
  let sum = 0;
  for (const b of order) {
    sum += energies[b]!;
    scores[b] = sum > 0 ? energies[b]! / sum : 0;
  }
  return scores;
}

/**
 * Drops the blocks of the lowest scores until the share of weights is as near to the one wanted as it gets. Every
 * layer keeps one block.
 *
 * @returns for each layer 1 where a block stays, 0 where it goes
 */
export function keptBlocks(layers: readonly BlockScores[], sparsity: number): Uint8Array[] {
  const kept = layers.map(({ scores }) => new Uint8Array(scores.length).fill(1));
  const left = layers.map(({ scores }) => scores.length);
  const total = layers.reduce((sum, { sizes }) => sum + sizes.reduce((a, b) => a + b, 0), 0);
  const order = layers
    .flatMap(({ scores, sizes }, layer) =>
      Array.from(scores, (score, block) => ({ layer, block, score, size: sizes[block]! })),
    )
    .sort((a, b) => a.score - b.score || a.layer - b.layer || a.block - b.block);
  let dropped = 0;
  for (const { layer, block, size } of order) {
    if (dropped + size / 2 > sparsity * total) break;
    if (left[layer] === 1) continue;
    kept[layer]![block] = 0;
    left[layer]!--;
    dropped += size;
  }
  return kept;
}
