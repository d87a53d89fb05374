/** Heads: the small networks that replace what was cut off. */
import { ThumbnetError } from "../../errors.ts";
import { formatShape } from "../../graph/shape.ts";
import type { Layer, Shape } from "../../train/network/description.ts";
import { separableUnit } from "../../train/network/factories.ts";

/** What the names of a head's layers begin with. */
export const HEAD_PREFIX = "head/";

/** One step of a head: an average pool 2x2, or a separable convolution to so many channels. */
type Unit =
  | { readonly kind: "pool" }
  | { readonly kind: "separable"; readonly filters: number; readonly stride: 1 | 2 };

const separable = (filters: number, stride: 1 | 2 = 1): Unit => ({ kind: "separable", filters, stride });

/** A multiple of 8, which kernels run at full speed. */
const multipleOf8 = (channels: number) => Math.max(8, 8 * Math.round(channels / 8));

/** The heads that have names, by the channels of the cut. `dense` has no convolutions and is not among them. */
const NAMED: Readonly<Record<string, (channels: number) => Unit[]>> = {
  /** De Leon and Atienza 2022: see `published.ts`. */
  dscnn32_16: () => [separable(32), separable(16)],
  /** The same after a pool, which makes both units cost a quarter; the second is wider for the details lost. */
  pooled: () => [{ kind: "pool" }, separable(32), separable(32)],
  /** One unit that strides; three quarters of the cut's channels, 48 of 64. */
  strided: (channels) => [separable(Math.max(48, multipleOf8(0.75 * channels)), 2)],
};

export const HEADS: readonly string[] = [...Object.keys(NAMED), "dense"];

/** Kinds of heads, for messages and help. */
export const HEAD_HELP = `${HEADS.join(", ")}, or units such as pool,48s2,48`;

/** `pool,48s2,32`: a pool, a separable convolution of stride 2 to 48 channels, one of stride 1 to 32. */
function parseUnits(kind: string): Unit[] {
  return kind.split(",").map((text): Unit => {
    if (text === "pool") return { kind: "pool" };
    const match = /^([1-9]\d{0,3})(s2)?$/.exec(text);
    if (match === null) throw new ThumbnetError(`no head "${kind}"; there are: ${HEAD_HELP}`);
    return separable(Number(match[1]), match[2] ? 2 : 1);
  });
}

/** Average pool 2x2; an extent of 1 stays. */
function poolLayer(name: string, [height, width]: readonly [number, number]): Layer {
  const window = [Math.min(2, height), Math.min(2, width)] as const;
  return { kind: "averagePool", name, kernel: window, stride: window, padding: "SAME" };
}

export interface HeadOptions {
  /** Share of the last features that dropout clears in training; default: 0. */
  readonly dropout?: number;
}

function denseLayers(classes: number): Layer[] {
  const layer = (name: string, units: number): Layer => ({ kind: "dense", name, units, bias: true });
  return [
    { kind: "globalAveragePool", name: `${HEAD_PREFIX}average` },
    layer(`${HEAD_PREFIX}dense1`, 64),
    { kind: "relu", name: `${HEAD_PREFIX}dense1/relu` },
    layer(`${HEAD_PREFIX}dense2`, 32),
    { kind: "relu", name: `${HEAD_PREFIX}dense2/relu` },
    layer(`${HEAD_PREFIX}dense`, classes),
  ];
}

/**
 * The layers of a head, named `head/…`:
 * - `dscnn32_16`: two separable convolutions 3x3 to 32 and 16 channels, global average pool, dense
 * - `dense`: global average pool, dense 64, dense 32, dense
 * - `pooled`: average pool 2x2, two separable convolutions to 32 channels, global average pool, dense
 * - `strided`: one separable convolution with stride 2, global average pool, dense
 * - units separated by commas: `pool`, or channels of a separable convolution, with `s2` for stride 2
 *
 * @param shape of the cut, [height, width, channels]
 * @throws ThumbnetError when there is no such head, or the shape is none of a cut
 */
export function headFor(
  kind: string,
  classes: number,
  shape: Shape,
  { dropout = 0 }: HeadOptions = {},
): Layer[] {
  const [height, width, channels] = shape;
  if (shape.length !== 3)
    throw new ThumbnetError(`a head reads [height,width,channels], not ${formatShape(shape)}`);
  if (kind === "dense") return denseLayers(classes);
  const units = Object.hasOwn(NAMED, kind) ? NAMED[kind]!(channels!) : parseUnits(kind);
  let extent = [height!, width!] as const;
  const half = (size: number) => Math.ceil(size / 2);
  const layers = units.flatMap((unit, i): Layer[] => {
    const name = `${HEAD_PREFIX}${unit.kind === "pool" ? "pool" : "block"}${i + 1}`;
    const now = extent;
    if (unit.kind === "pool" || unit.stride === 2) extent = [half(extent[0]), half(extent[1])];
    return unit.kind === "pool" ? [poolLayer(name, now)] : separableUnit(name, unit.filters, unit.stride);
  });
  return [
    ...layers,
    ...(dropout > 0 ? [{ kind: "dropout", name: `${HEAD_PREFIX}dropout`, rate: dropout } as const] : []),
    { kind: "globalAveragePool", name: `${HEAD_PREFIX}average` },
    { kind: "dense", name: `${HEAD_PREFIX}dense`, units: classes, bias: true },
  ];
}
