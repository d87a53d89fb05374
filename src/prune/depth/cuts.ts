/** Where a network can be cut: between blocks. */
import { ThumbnetError } from "../../errors.ts";
import {
  inputIndex,
  layerShapes,
  layersRead,
  type NetworkDescription,
  type Shape,
} from "../../train/network/description.ts";

export interface Cut {
  /** What the command line calls it: `conv1`, `block3`. */
  readonly name: string;
  /** The last layer that stays. */
  readonly layer: string;
  /** What it gives, [height, width, channels]. */
  readonly shape: Shape;
  /** Whether any convolution is left out; else a head only comes on top. */
  readonly shortens: boolean;
}

const CUTTABLE = new Set(["conv", "pointwise", "add"]);

/** Whether layers after `last` read nothing that comes before it. */
function isBetweenBlocks(network: NetworkDescription, last: number): boolean {
  return network.layers.every((_, i) => i <= last || layersRead(network, i).every((index) => index >= last));
}

/**
 * The cuts of a network, first to last: after the ReLU that follows a convolution (not a depthwise one) or the sum
 * that ends a residual block, never inside such a block.
 *
 * @throws ThumbnetError when the description is not sound, or has early exits
 */
export function cuts(network: NetworkDescription): Cut[] {
  if (network.exits?.length) {
    throw new ThumbnetError(`${network.name}: has early exits; supported: networks without`);
  }
  const { layers } = network;
  const shapes = layerShapes(network);
  return layers.flatMap((layer, i): Cut[] => {
    if (layer.kind !== "relu" || shapes[i]!.length !== 3 || i === layers.length - 1) return [];
    let from = inputIndex(network, i);
    if (layers[from]?.kind === "batchNorm") from = inputIndex(network, from);
    const source = layers[from];
    if (source === undefined || !CUTTABLE.has(source.kind) || !isBetweenBlocks(network, i)) return [];
    const shortens = layers
      .slice(i + 1)
      .some(({ kind }) => kind === "conv" || kind === "pointwise" || kind === "depthwise");
    const name = source.name.replace(/\/(pointwise|add)$/, "");
    return [{ name, layer: layer.name, shape: shapes[i]!, shortens }];
  });
}

/** A cut by its name or its layer's. @throws ThumbnetError listing those that there are */
export function findCut(network: NetworkDescription, name: string): Cut {
  const all = cuts(network);
  const found = all.find((cut) => cut.name === name || cut.layer === name);
  if (found !== undefined) return found;
  const names = all.map((cut) => cut.name).join(", ") || "none";
  throw new ThumbnetError(`${network.name}: no cut "${name}"; there are: ${names}`);
}

/** Cuts by names; `all`: every one that leaves a convolution out. @throws ThumbnetError; see `findCut` */
export function chooseCuts(network: NetworkDescription, names: readonly string[]): Cut[] {
  const chosen = names.flatMap((name) =>
    name === "all" ? cuts(network).filter(({ shortens }) => shortens) : [findCut(network, name)],
  );
  if (chosen.length === 0) throw new ThumbnetError(`${network.name}: has no place to cut`);
  return chosen.filter((cut, i) => chosen.findIndex(({ layer }) => layer === cut.layer) === i);
}

/** Reads the kind of a head for any cut, or for one: `KIND`, `CUT=KIND`. */
export function parseHead(text: string): { readonly cut: string | null; readonly head: string } {
  const [, cut = null, head = text] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  return { cut, head };
}

/** A place to cut at, and the kind of head that goes there. */
export interface CutHead {
  readonly cut: Cut;
  readonly head: string;
}

/**
 * The heads of each chosen cut, in the order of the cuts.
 *
 * @param names see `chooseCuts`
 * @param heads kinds of heads for all of the cuts, or for one: `CUT=KIND`
 * @throws ThumbnetError where there is no such cut, a head is for a cut that is not chosen, or a cut has no head
 */
export function chooseHeads(
  network: NetworkDescription,
  names: readonly string[],
  heads: readonly string[],
): CutHead[] {
  const chosen = chooseCuts(network, names);
  const wanted = heads.map((text) => {
    const { cut: name, head } = parseHead(text);
    if (name === null) return { head, layer: null };
    const { layer } = findCut(network, name);
    if (chosen.some((cut) => cut.layer === layer)) return { head, layer };
    const others = chosen.map((cut) => cut.name).join(", ");
    throw new ThumbnetError(
      `${network.name}: head "${text}" is for a cut that is not chosen; chosen: ${others}`,
    );
  });
  return chosen.flatMap((cut) => {
    const own = wanted.filter(({ layer }) => layer === null || layer === cut.layer);
    if (own.length > 0) return own.map(({ head }) => ({ cut, head }));
    throw new ThumbnetError(
      `${network.name}: no head for the cut "${cut.name}"; there are: ${heads.join(" ")}`,
    );
  });
}
