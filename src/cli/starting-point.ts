/** What a training run starts from. */
import type { TrainingSet } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { sameShape } from "../graph/shape.ts";
import type { NetworkDescription } from "../train/network/description.ts";
import {
  initialParameters,
  type PlainNetwork,
  parametersChecksum,
  type Values,
} from "../train/network/parameters.ts";
import type { Affines } from "../train/quantization-aware.ts";
import { note } from "./common.ts";

/** Training examples for the ranges that quantisation-aware training keeps. */
const CALIBRATION = 500;

/** What was taken over from another network. */
interface Init {
  readonly checksum: number;
  /** Names of the parameters. */
  readonly taken: readonly string[];
  readonly fresh: readonly string[];
}

/**
 * Puts the parameters of a trained network in the place of those with the same names and shapes.
 *
 * @throws ThumbnetError when there are none
 */
async function takeOver(path: string, parameters: Map<string, Values>): Promise<Init> {
  const { openNetwork } = await import("../train/open-network.ts");
  const trained = await openNetwork(path);
  const names = [...parameters.keys()];
  const taken = names.filter((name) => {
    const found = trained.parameters.get(name);
    if (found === undefined || !sameShape(found.shape, parameters.get(name)!.shape)) return false;
    parameters.set(name, found);
    return true;
  });
  if (taken.length === 0) {
    const has = [...trained.parameters.keys()].slice(0, 3).join(", ");
    throw new ThumbnetError(
      `${path}: has no parameter of the network's names and shapes; it has ${has}, ...`,
    );
  }
  const fresh = names.filter((name) => !taken.includes(name));
  const rest = fresh.length === 0 ? "" : `; fresh are ${fresh.join(", ")}`;
  note(`${path}: ${taken.length} of ${names.length} parameters are taken over${rest}`);
  return { checksum: parametersChecksum(trained.parameters), taken, fresh };
}

export interface StartingPoint extends PlainNetwork {
  readonly init: Init | null;
  /** Of quantisation-aware training. */
  readonly affines: Affines | null;
}

export interface StartOptions {
  readonly seed: number;
  /** A trained network. */
  readonly from: string | null;
  readonly quantizationAware: boolean;
}

/**
 * Fresh parameters, those of a trained network where they agree, or for quantisation-aware training that network with
 * batch normalisation folded in.
 *
 * @throws ThumbnetError where nothing agrees, or there is no whole trained network to fold
 */
export async function startingPoint(
  description: NetworkDescription,
  data: TrainingSet,
  { seed, from, quantizationAware }: StartOptions,
): Promise<StartingPoint> {
  const parameters = initialParameters(description, seed);
  const init = from === null ? null : await takeOver(from, parameters);
  if (!quantizationAware) return { description, parameters, init, affines: null };
  if (init === null || init.fresh.length > 0) {
    const what = init === null ? "give --init" : `${from} does not have all parameters`;
    throw new ThumbnetError(
      `${description.name}: --quantization-aware starts from a trained network: ${what}`,
    );
  }
  const { prepareQuantizationAware } = await import("../train/quantization-aware.ts");
  return {
    init,
    ...(await prepareQuantizationAware(description, parameters, data, { calibration: CALIBRATION, seed })),
  };
}
