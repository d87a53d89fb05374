/** Heads on a network that stays whole: early exits. */
import { ThumbnetError } from "../../errors.ts";
import { type Layer, layerIndex, type NetworkDescription } from "../../train/network/description.ts";
import type { PlainNetwork } from "../../train/network/parameters.ts";
import type { Cut } from "../depth/cuts.ts";
import { HEAD_PREFIX } from "../depth/heads.ts";

/** A head on a cut. */
export interface AttachedExit {
  readonly cut: Cut;
  /** It reads what the cut gives; its layers are named `head/…`. */
  readonly head: PlainNetwork;
}

/** What the exit at a position is called; its layers become `<name>/…`. */
export const exitName = (index: number): string => `exit${index}`;

/** The head with names of its own, since a network may have several. */
function rename({ description, parameters }: PlainNetwork, name: string): PlainNetwork {
  const renamed = (text: string) => text.replace(HEAD_PREFIX, `${name}/`);
  const layers = description.layers.map((layer) => ({ ...layer, name: renamed(layer.name) }));
  return {
    description: { ...description, layers },
    parameters: new Map([...parameters].map(([key, values]) => [renamed(key), values])),
  };
}

/** Layers after one of the network's; those behind it go on reading what they read. */
function insert(layers: readonly Layer[], after: string, head: readonly Layer[]): Layer[] {
  const position = layers.findIndex(({ name }) => name === after) + 1;
  const next = layers[position];
  return [
    ...layers.slice(0, position),
    ...head.map((layer, i) => (i === 0 ? { ...layer, input: after } : layer)),
    ...(next === undefined ? [] : [{ ...next, input: next.input ?? after }]),
    ...layers.slice(position + 1),
  ];
}

/**
 * The network with exits, which are decided in the order given. Its layers and parameters stay, and its last layer
 * gives the answer where no exit does.
 *
 * @throws ThumbnetError when the network has exits already, or an exit comes before one that is decided earlier
 */
export function attachExits(network: PlainNetwork, exits: readonly AttachedExit[]): PlainNetwork {
  const { description } = network;
  if (description.exits?.length) {
    throw new ThumbnetError(`${description.name}: has early exits; supported: networks without`);
  }
  const positions = exits.map(({ cut }) => layerIndex(description, cut.layer));
  const wrong = positions.findIndex((position, i) => i > 0 && position < positions[i - 1]!);
  if (wrong >= 0) {
    const [late, early] = [exits[wrong - 1]!.cut.name, exits[wrong]!.cut.name];
    throw new ThumbnetError(`${description.name}: exit ${early} comes before ${late}; give exits in order`);
  }
  const named = exits.map(({ head }, i) => rename(head, exitName(i)));
  // From the last to the first: of several on one cut, the first comes first.
  const layers = exits.reduceRight<readonly Layer[]>(
    (all, { cut }, i) => insert(all, cut.layer, named[i]!.description.layers),
    description.layers,
  );
  const attached: NetworkDescription = {
    ...description,
    layers,
    exits: named.map((head, i) => ({ name: exitName(i), layer: head.description.layers.at(-1)!.name })),
  };
  const parameters = new Map(network.parameters);
  for (const head of named) for (const [name, values] of head.parameters) parameters.set(name, values);
  return { description: attached, parameters };
}

/** The layers of final answer and exits, in the order of an exported model's outputs. */
export function outputLayers({ layers, exits = [] }: NetworkDescription): string[] {
  return [layers.at(-1)!.name, ...exits.map(({ layer }) => layer)];
}
