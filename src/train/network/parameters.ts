/** The values of a network's parameters, apart from TensorFlow.js. */
import { Random } from "../../data/random.ts";
import { ThumbnetError } from "../../errors.ts";
import { elementCount, formatShape, sameShape } from "../../graph/shape.ts";
import { crc32 } from "../../plan/crc32.ts";
import { type NetworkDescription, networkParameters, type Shape } from "./description.ts";

export interface Values {
  readonly shape: Shape;
  /** Row-major. */
  readonly values: Float32Array;
}

/** By name, `<layer>/<what>`; see `layerParameters`. */
export type Parameters = ReadonlyMap<string, Values>;

/** A network as plain data. */
export interface PlainNetwork {
  readonly description: NetworkDescription;
  readonly parameters: Parameters;
}

/**
 * Fresh parameters: weights normal with variance 2 / fan-in (He et al. 2015), those of dense layers half that.
 * Each name has random numbers of its own, so that the same layer in another network starts alike.
 */
export function initialParameters(network: NetworkDescription, seed: number): Map<string, Values> {
  const dense = new Set(
    network.layers.flatMap(({ kind, name }) => (kind === "dense" ? [`${name}/weights`] : [])),
  );
  return new Map(
    networkParameters(network).map(({ name, shape, kind, fanIn }) => {
      const values = new Float32Array(elementCount(shape));
      if (kind === "gamma" || kind === "variance") values.fill(1);
      if (kind === "weights") {
        const random = new Random(seed, ...new TextEncoder().encode(name));
        const deviation = Math.sqrt((dense.has(name) ? 1 : 2) / fanIn);
        values.forEach((_, i) => {
          values[i] = deviation * random.normal();
        });
      }
      return [name, { shape, values }];
    }),
  );
}

/** CRC-32 of all values, which tells networks of the same shape apart. */
export function parametersChecksum(parameters: Parameters): number {
  let crc = 0;
  for (const { values } of parameters.values()) {
    crc = crc32(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), crc);
  }
  return crc;
}

/** @throws ThumbnetError naming the parameters that are missing or do not fit the network */
export function checkParameters(network: NetworkDescription, parameters: Parameters): void {
  const problems = networkParameters(network).flatMap(({ name, shape }) => {
    const found = parameters.get(name);
    if (found === undefined) return [`${name} ${formatShape(shape)} is missing`];
    if (!sameShape(found.shape, shape)) {
      return [`${name} has the shape ${formatShape(found.shape)}, not ${formatShape(shape)}`];
    }
    return found.values.every(Number.isFinite) ? [] : [`${name} holds values that are not finite`];
  });
  if (problems.length > 0) {
    const more = problems.length > 5 ? `; and ${problems.length - 5} more` : "";
    throw new ThumbnetError(`${network.name}: ${problems.slice(0, 5).join("; ")}${more}`);
  }
}
