/**
 * Checkpoints: named float32 arrays and a description, in one file that is written whole or not at all.
 *
 * Layout, little-endian: the bytes "TNCK", uint32 version, uint32 length of the header, CRC-32 of all that comes
 * after it, the header as JSON, zeros up to a multiple of 4, the arrays one after the other.
 */
import { readWhole, writeWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { elementCount } from "../graph/shape.ts";
import { crc32 } from "../plan/crc32.ts";
import { layerShapes, type NetworkDescription } from "./network/description.ts";
import { checkParameters, type Parameters, type PlainNetwork, type Values } from "./network/parameters.ts";

const MAGIC = 0x4b434e54; // "TNCK"
const VERSION = 1;
const PREFIX = 16;

export interface Checkpoint {
  /** Anything that JSON can hold. */
  readonly meta: unknown;
  readonly tensors: Parameters;
}

interface Header {
  readonly meta: unknown;
  readonly tensors: readonly (readonly [name: string, shape: readonly number[]])[];
}

const align = (bytes: number) => Math.ceil(bytes / 4) * 4;

export function encodeCheckpoint({ meta, tensors }: Checkpoint): Uint8Array {
  const header: Header = { meta, tensors: [...tensors].map(([name, { shape }]) => [name, shape]) };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const elements = [...tensors.values()].reduce((sum, { values }) => sum + values.length, 0);
  const bytes = new Uint8Array(align(PREFIX + text.length) + 4 * elements);
  const view = new DataView(bytes.buffer);
  bytes.set(text, PREFIX);
  let offset = align(PREFIX + text.length);
  for (const { values } of tensors.values()) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  [MAGIC, VERSION, text.length, crc32(bytes.subarray(PREFIX))].forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return bytes;
}

/** Whether a file is a checkpoint, by its first bytes. */
export function isCheckpoint(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.length >= PREFIX && view.getUint32(0, true) === MAGIC;
}

function parseHeader(text: Uint8Array): Header | null {
  try {
    return JSON.parse(new TextDecoder().decode(text));
  } catch {
    return null;
  }
}

/** @throws ThumbnetError when it is no checkpoint, cut off or damaged */
export function decodeCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
  if (!isCheckpoint(bytes)) throw new ThumbnetError(`${name}: is not a checkpoint of thumbnet`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(4, true);
  if (version !== VERSION) throw new ThumbnetError(`${name}: has version ${version}; supported: ${VERSION}`);
  if (crc32(bytes.subarray(PREFIX)) !== view.getUint32(12, true)) {
    throw new ThumbnetError(`${name}: is damaged: its checksum is wrong`);
  }
  const length = view.getUint32(8, true);
  const header = parseHeader(bytes.subarray(PREFIX, PREFIX + length));
  if (header === null) throw new ThumbnetError(`${name}: is damaged: its header cannot be read`);
  let offset = align(PREFIX + length);
  const tensors = header.tensors.map(([key, shape]): [string, Values] => {
    const end = offset + 4 * elementCount(shape);
    if (end > bytes.length) throw new ThumbnetError(`${name}: ends before "${key}"`);
    const values = new Float32Array(bytes.slice(offset, end).buffer);
    offset = end;
    return [key, { shape, values }];
  });
  return { meta: header.meta, tensors: new Map(tensors) };
}

export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeWhole(path, encodeCheckpoint(checkpoint));
}

/** @throws ThumbnetError when the file is missing, no checkpoint, or damaged */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  return decodeCheckpoint(await readWhole(path), path);
}

/** A trained float network: what a training run leaves, and what is quantised. */
export interface TrainedNetwork extends PlainNetwork {
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** How it came about: options, epoch, accuracy. */
  readonly origin: unknown;
}

export async function writeNetwork(path: string, trained: TrainedNetwork): Promise<void> {
  const { parameters, ...rest } = trained;
  await writeCheckpoint(path, { meta: { kind: "network", ...rest }, tensors: parameters });
}

/** @throws ThumbnetError when the file is no network, or its parameters do not fit its description */
export async function readNetwork(path: string): Promise<TrainedNetwork> {
  const { meta, tensors } = await readCheckpoint(path);
  const { kind, description, classes, origin } = meta as Record<string, unknown>;
  if (kind !== "network") throw new ThumbnetError(`${path}: holds a training run's state, not a network`);
  const trained = {
    description: description as NetworkDescription,
    parameters: tensors,
    classes: classes as string[],
    origin,
  };
  layerShapes(trained.description);
  checkParameters(trained.description, tensors);
  return trained;
}
