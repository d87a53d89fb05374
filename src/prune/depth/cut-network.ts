/** A network cut in two, and its first part joined with a fresh head. */
import { layerIndex, type NetworkDescription } from "../../train/network/description.ts";
import { initialParameters, type PlainNetwork, type Values } from "../../train/network/parameters.ts";
import type { Cut } from "./cuts.ts";
import { type HeadOptions, headFor } from "./heads.ts";

export type { PlainNetwork };

/** The part of a network that stays, the tail in the words of the method's authors. */
export function tailOf({ description, parameters }: PlainNetwork, cut: Cut): PlainNetwork {
  const layers = description.layers.slice(0, layerIndex(description, cut.layer) + 1);
  const names = new Set(layers.map(({ name }) => name));
  const kept = [...parameters].filter(([name]) => names.has(name.slice(0, name.lastIndexOf("/"))));
  return {
    description: { ...description, name: `${description.name}-${cut.name}`, layers },
    parameters: new Map(kept),
  };
}

/**
 * A head alone: it reads what the cut gives. Its parameters depend on the seed and their names only.
 *
 * @param network that it is for
 * @param head a kind of head; see `headFor`
 * @throws ThumbnetError when there is no such head
 */
export function freshHead(
  network: PlainNetwork,
  cut: Cut,
  head: string,
  classes: number,
  seed: number,
  options: HeadOptions = {},
): PlainNetwork {
  const description: NetworkDescription = {
    name: `${network.description.name}-${cut.name}-${head}`,
    inputShape: cut.shape as readonly [number, number, number],
    layers: headFor(head, classes, cut.shape, options),
  };
  return { description, parameters: initialParameters(description, seed) };
}

/** Tail and head as one network: parameters are not copied. */
export function joinNetworks(tail: PlainNetwork, head: PlainNetwork): PlainNetwork {
  const parameters = new Map<string, Values>([...tail.parameters, ...head.parameters]);
  const layers = [...tail.description.layers, ...head.description.layers];
  return { description: { ...tail.description, name: head.description.name, layers }, parameters };
}

/** A network that ends after a cut with a fresh head; see `freshHead`. Layers that stay keep names and parameters. */
export function cutNetwork(...head: Parameters<typeof freshHead>): PlainNetwork {
  const [network, cut] = head;
  return joinNetworks(tailOf(network, cut), freshHead(...head));
}
