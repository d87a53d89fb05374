import { ThumbnetError } from "../errors.ts";
import type { OperatorKind } from "../graph/graph.ts";
import type { Expansion } from "../graph/rewrites/constant-channels.ts";
import { bytesPerElement, elementCount } from "../graph/shape.ts";
import { OPERATOR_CODES } from "./codes.ts";
import { crc32 } from "./crc32.ts";
import {
  CHECKED_FROM,
  CONSTANT_BIT,
  CRITERIA,
  DTYPES,
  EXIT,
  HEADER,
  KEPT_CHANNEL,
  KERNELS,
  MAGIC,
  NEVER_WHOLE,
  OPERATOR,
  PORT,
  RECORD_BYTES,
  structLayout,
  TENSOR,
  VERSION,
} from "./layout.ts";
import { readStruct } from "./struct.ts";

const HEADER_LAYOUT = structLayout(HEADER);
const OPERATOR_LAYOUT = structLayout(OPERATOR);
const PORT_LAYOUT = structLayout(PORT);
const EXIT_LAYOUT = structLayout(EXIT);
const TENSOR_LAYOUT = structLayout(TENSOR);
const OPCODES = new Set(Object.values(KERNELS).map(({ opcode }) => opcode as number));

export interface ImageTensor {
  readonly shape: readonly number[];
  readonly dtype: (typeof DTYPES)[number];
  readonly scale: number;
  readonly zeroPoint: number;
  /**
   * Where its int8 content lies: `offset` bytes into the arena or, for a constant, into the image; `nowhere` where it
   * never exists whole, because its operators run in slices of rows (offset and bytes are 0 then).
   */
  readonly space: "arena" | "image" | "nowhere";
  readonly offset: number;
  /** Bytes of that content; a float32 tensor at the edge holds int8, one byte an element. */
  readonly bytes: number;
  /** How the tensor was before constant channels were folded; null where it has all its channels. */
  readonly expansion: Expansion | null;
}

export interface ImageOperator {
  readonly kind: OperatorKind;
  /** Records [0, recordEnd) have run once this operator is done. */
  readonly recordEnd: number;
  readonly output: ImageTensor;
}

export interface ImagePort {
  readonly name: string;
  readonly tensor: ImageTensor;
}

/** An early exit. */
export interface ImageExit {
  /** Which output it is. */
  readonly output: number;
  readonly criterion: (typeof CRITERIA)[number];
  /** Records [0, recordEnd) and operators [0, operatorEnd) have run when it is decided. */
  readonly recordEnd: number;
  readonly operatorEnd: number;
  /** By class: the least measure, in 1/256, at which it answers. */
  readonly thresholds: Uint16Array;
}

/** The shape that a tensor has in the model file. */
export function fullShape({ shape, expansion }: ImageTensor): readonly number[] {
  return expansion ? [...shape.slice(0, -1), expansion.length] : shape;
}

/** A tensor's bytes with the channels that were folded put back. */
export function expandChannels(bytes: Uint8Array, { expansion }: ImageTensor): Uint8Array {
  if (!expansion) return bytes;
  const kept = expansion.filter((value) => value === null).length;
  const full = new Uint8Array((bytes.length / kept) * expansion.length);
  let from = 0;
  for (let at = 0; at < full.length; at++) full[at] = expansion[at % expansion.length] ?? bytes[from++]!;
  return full;
}

/** What an image says of itself. */
export interface Image {
  readonly bytes: Uint8Array;
  /** Of the content, as the header has it: names the image in logs. */
  readonly crc32: number;
  readonly arenaBytes: number;
  /** What the chip's kernels need behind the arena. */
  readonly scratchBytes: number;
  readonly recordCount: number;
  readonly operators: readonly ImageOperator[];
  readonly inputs: readonly ImagePort[];
  readonly outputs: readonly ImagePort[];
  /** In the order in which they are decided. */
  readonly exits: readonly ImageExit[];
  /** The output that answers where no exit does. */
  readonly finalOutput: number;
}

export function isImage(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && view(bytes).getUint32(0, true) === MAGIC;
}

/**
 * Reads and checks an image.
 *
 * @throws ThumbnetError when it is cut off, of another version, or its CRC-32 is wrong
 */
export function readImage(bytes: Uint8Array, name = "image"): Image {
  const fail = (what: string): never => {
    throw new ThumbnetError(`${name}: ${what}`);
  };
  if (!isImage(bytes)) fail("is no thumbnet image");
  if (bytes.length < HEADER_LAYOUT.bytes)
    fail(`is cut off: ${bytes.length} bytes, the header alone has ${HEADER_LAYOUT.bytes}`);
  const header = readStruct<typeof HEADER>(view(bytes), 0, HEADER_LAYOUT);
  if (header.version !== VERSION || header.recordBytes !== RECORD_BYTES) {
    fail(`has image version ${header.version}, supported is ${VERSION}: export the model again`);
  }
  if (header.imageBytes !== bytes.length)
    fail(`has ${bytes.length} bytes, its header says ${header.imageBytes}`);
  if (crc32(bytes.subarray(CHECKED_FROM)) !== header.crc32)
    fail("is damaged: the CRC-32 does not match its content");
  return readContent(bytes, name);
}

/** The same for bytes whose header and CRC-32 need no check. */
export function readContent(bytes: Uint8Array, name: string): Image {
  const fail = (what: string): never => {
    throw new ThumbnetError(`${name}: ${what}`);
  };
  const data = view(bytes);
  const header = readStruct<typeof HEADER>(data, 0, HEADER_LAYOUT);
  // The CRC guards against accidents; a forged image must still not read outside itself.
  const within = (offset: number, length: number): number =>
    offset + length <= bytes.length ? offset : fail("is damaged: it refers to bytes outside itself");
  const readExpansion = (offset: number, shape: readonly number[]): Expansion => {
    const channels = data.getUint32(within(offset, 4), true);
    within(offset + 4, 2 * channels);
    const expansion: (number | null)[] = [];
    let kept = 0;
    for (let c = 0; c < channels; c++) {
      const value = data.getInt16(offset + 4 + 2 * c, true);
      if (value === KEPT_CHANNEL) kept++;
      expansion.push(value === KEPT_CHANNEL ? null : value);
    }
    if (kept !== shape.at(-1)) fail("is damaged: a tensor's folded channels do not fit its shape");
    return expansion;
  };
  const tensor = (offset: number): ImageTensor => {
    const t = readStruct<typeof TENSOR>(data, within(offset, TENSOR_LAYOUT.bytes), TENSOR_LAYOUT);
    const dimensions = within(offset + TENSOR_LAYOUT.bytes, 4 * t.rank);
    const shape = Array.from({ length: t.rank }, (_, d) => data.getUint32(dimensions + 4 * d, true));
    const dtype = DTYPES[t.dtype] ?? fail(`has an unknown element type ${t.dtype}`);
    const isWhole = t.operand !== NEVER_WHOLE;
    const space = !isWhole ? "nowhere" : t.operand & CONSTANT_BIT ? "image" : "arena";
    const at = isWhole ? (t.operand & ~CONSTANT_BIT) >>> 0 : 0;
    const size = isWhole ? elementCount(shape) * (dtype === "float32" ? 1 : bytesPerElement(dtype)) : 0;
    if (at + size > (space === "image" ? bytes.length : header.arenaBytes))
      fail("is damaged: a tensor lies outside");
    const expansion = t.expansion === 0 ? null : readExpansion(t.expansion, shape);
    return {
      shape,
      dtype,
      scale: t.scale,
      zeroPoint: t.zeroPoint,
      space,
      offset: at,
      bytes: size,
      expansion,
    };
  };
  const kinds = new Map(Object.entries(OPERATOR_CODES).map(([kind, code]) => [code, kind as OperatorKind]));
  const operators = Array.from({ length: header.operatorCount }, (_, i) => {
    const at = within(header.operatorsOffset + i * OPERATOR_LAYOUT.bytes, OPERATOR_LAYOUT.bytes);
    const o = readStruct<typeof OPERATOR>(data, at, OPERATOR_LAYOUT);
    const kind = kinds.get(o.code) ?? fail(`has an unknown operator code ${o.code}`);
    return { kind, recordEnd: o.recordEnd, output: tensor(o.tensor) };
  });
  const ports = Array.from({ length: header.inputCount + header.outputCount }, (_, i) => {
    const p = readStruct<typeof PORT>(
      data,
      within(header.portsOffset + i * PORT_LAYOUT.bytes, PORT_LAYOUT.bytes),
      PORT_LAYOUT,
    );
    const end = bytes.indexOf(0, within(p.name, 1));
    return { name: new TextDecoder().decode(bytes.subarray(p.name, end)), tensor: tensor(p.tensor) };
  });
  within(header.recordsOffset, header.recordCount * RECORD_BYTES);
  for (let i = 0; i < header.recordCount; i++) {
    const opcode = bytes[header.recordsOffset + i * RECORD_BYTES]!;
    if (!OPCODES.has(opcode)) fail(`record ${i} has an unknown opcode ${opcode}`);
  }
  const outputs = ports.slice(header.inputCount);
  const exits = Array.from({ length: header.exitCount }, (_, i): ImageExit => {
    const at = within(header.exitsOffset + i * EXIT_LAYOUT.bytes, EXIT_LAYOUT.bytes);
    const { output, recordEnd, operatorEnd, ...e } = readStruct<typeof EXIT>(data, at, EXIT_LAYOUT);
    const criterion = CRITERIA[e.criterion] ?? fail(`exit ${i} has an unknown criterion ${e.criterion}`);
    const classes = outputs[output]?.tensor.bytes;
    const isSound =
      classes !== undefined &&
      isProbability(outputs[output]!) &&
      isProbability(outputs[header.finalOutput]) &&
      classes === outputs[header.finalOutput]!.tensor.bytes &&
      output !== header.finalOutput &&
      recordEnd <= header.recordCount &&
      operators[operatorEnd - 1]?.recordEnd === recordEnd;
    if (!isSound) return fail(`is damaged: exit ${i} does not fit its outputs and operators`);
    const thresholds = within(header.thresholdsOffset + 2 * i * classes, 2 * classes);
    const values = Uint16Array.from({ length: classes }, (_, c) => data.getUint16(thresholds + 2 * c, true));
    return { output, criterion, recordEnd, operatorEnd, thresholds: values };
  });
  return {
    bytes,
    crc32: header.crc32,
    arenaBytes: header.arenaBytes,
    scratchBytes: header.scratchBytes,
    recordCount: header.recordCount,
    operators,
    inputs: ports.slice(0, header.inputCount),
    outputs,
    exits,
    finalOutput: header.finalOutput,
  };
}

/** Of an exit, or of the final output beside exits. */
function isProbability(port: ImagePort | undefined): boolean {
  const { dtype, scale, zeroPoint } = port?.tensor ?? {};
  return dtype !== "uint8" && scale === 1 / 256 && zeroPoint === -128;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
