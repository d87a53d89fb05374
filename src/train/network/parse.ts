import { ThumbnetError } from "../../errors.ts";
import { type Layer, layerShapes, type NetworkDescription } from "./description.ts";

type Check = (value: unknown) => boolean;

const isWhole: Check = (value) => Number.isInteger(value) && (value as number) >= 1;
const isPair: Check = (value) => Array.isArray(value) && value.length === 2 && value.every(isWhole);
const isText: Check = (value) => typeof value === "string" && value !== "";
const isFlag: Check = (value) => typeof value === "boolean";
const isPadding: Check = (value) => value === "SAME" || value === "VALID";

const WINDOW = { kernel: isPair, stride: isPair, padding: isPadding };

/** The fields that each kind of layer must have, beside `kind` and `name`. */
const FIELDS: Readonly<Record<Layer["kind"], Readonly<Record<string, Check>>>> = {
  conv: { ...WINDOW, filters: isWhole, bias: isFlag },
  depthwise: { ...WINDOW, bias: isFlag },
  pointwise: { filters: isWhole, bias: isFlag },
  batchNorm: {},
  relu: {},
  dropout: { rate: (value) => typeof value === "number" && value >= 0 && value < 1 },
  globalAveragePool: {},
  averagePool: WINDOW,
  dense: { units: isWhole, bias: isFlag },
  add: { other: isText },
};

/** Fields that a layer may have. */
const OPTIONAL: Readonly<Record<string, Check>> = { input: isText, limit: (value) => value === 6 };

function layerProblem(layer: unknown): string | null {
  if (typeof layer !== "object" || layer === null) return "is no object";
  const { kind, name, ...fields } = layer as Record<string, unknown>;
  if (typeof kind !== "string" || !Object.hasOwn(FIELDS, kind)) {
    return `has the kind ${JSON.stringify(kind)}; there are: ${Object.keys(FIELDS).join(", ")}`;
  }
  if (!isText(name)) return "has no name";
  const wanted = FIELDS[kind as Layer["kind"]];
  const missing = Object.keys(wanted).find((field) => !Object.hasOwn(fields, field));
  if (missing !== undefined) return `("${name}", ${kind}) has no "${missing}"`;
  for (const [field, value] of Object.entries(fields)) {
    const check = Object.hasOwn(wanted, field) ? wanted[field] : OPTIONAL[field];
    if (!check?.(value)) return `("${name}", ${kind}) has "${field}": ${JSON.stringify(value)}`;
  }
  return null;
}

/**
 * A network's description from JSON.
 *
 * @param name what error messages call the file
 * @throws ThumbnetError naming the layer that is wrong, or does not fit the one before it
 */
export function parseDescription(text: string, name: string): NetworkDescription {
  const fail = (problem: string) => new ThumbnetError(`${name}: ${problem}`);
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fail(`is no JSON: ${(error as Error).message}`);
  }
  const { inputShape, layers } = value ?? {};
  if (!isText(value?.name)) throw fail('has no "name"');
  if (!Array.isArray(inputShape) || inputShape.length !== 3 || !inputShape.every(isWhole)) {
    throw fail('has no "inputShape": [height, width, channels]');
  }
  if (!Array.isArray(layers) || layers.length === 0) throw fail('has no "layers"');
  for (const [i, layer] of layers.entries()) {
    const problem = layerProblem(layer);
    if (problem !== null) throw fail(`layer ${i} ${problem}`);
  }
  if (value.exits !== undefined)
    throw fail('has "exits": thumbnet exits train adds them to a trained network');
  const description = value as unknown as NetworkDescription;
  layerShapes(description);
  return description;
}
