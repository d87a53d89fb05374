import { ThumbnetError } from "../errors.ts";
import type { Graph, Tensor } from "../graph/graph.ts";
import type { Expansion } from "../graph/rewrites/constant-channels.ts";
import { elementCount } from "../graph/shape.ts";
import { OPERATOR_CODES } from "./codes.ts";
import { crc32 } from "./crc32.ts";
import type { ConstantData, KernelCall, OperandRef } from "./kernel-call.ts";
import {
  ALIGNMENT,
  alignUp,
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
  recordLayout,
  structLayout,
  TENSOR,
  VERSION,
} from "./layout.ts";
import { naming, type Plan } from "./plan.ts";
import { callsInOrder } from "./schedule.ts";
import { writeStruct } from "./struct.ts";
import { resolveThresholds, thresholdBytes } from "./thresholds.ts";

const HEADER_LAYOUT = structLayout(HEADER);
const OPERATOR_LAYOUT = structLayout(OPERATOR);
const PORT_LAYOUT = structLayout(PORT);
const EXIT_LAYOUT = structLayout(EXIT);
const TENSOR_LAYOUT = structLayout(TENSOR);
const NO_DATA = new Uint8Array(0);

/**
 * The image of a plan: header, records, operators, ports, exits, tensors, names, constants. Equal constants are
 * stored once. The layout of each part is in `layout.ts`.
 *
 * @throws ThumbnetError when a dimension does not fit its field
 */
export function encodeImage(plan: Plan): Uint8Array {
  const bytes = encodeUnsealed(plan);
  writeStruct(new DataView(bytes.buffer), 0, HEADER_LAYOUT, { crc32: crc32(bytes.subarray(CHECKED_FROM)) });
  return bytes;
}

/** The same without its CRC-32, to be run at once. */
export function encodeUnsealed(plan: Plan): Uint8Array {
  const { graph } = plan;
  const calls = callsInOrder({ calls: plan.operators.map(({ calls }) => calls), order: plan.order });
  const ports = [...graph.inputs, ...graph.outputs];
  const body = new Pool();
  const recordsOffset = HEADER_LAYOUT.bytes;
  const operatorsOffset = recordsOffset + calls.length * RECORD_BYTES;
  const portsOffset = operatorsOffset + plan.operators.length * OPERATOR_LAYOUT.bytes;
  const exitsOffset = portsOffset + ports.length * PORT_LAYOUT.bytes;
  body.start(exitsOffset + plan.exits.length * EXIT_LAYOUT.bytes);

  const operand = (ref: OperandRef): number => {
    const place = plan.places[ref.tensor];
    if (!place) throw new ThumbnetError(`tensor ${ref.tensor} has no place`);
    const at = ref.byteOffset ?? 0;
    if (place.space === "arena") return place.offset + at;
    return (CONSTANT_BIT | (body.add(graph.tensors[place.tensor]!.data ?? NO_DATA) + at)) >>> 0;
  };
  const described = new Map<number, number>();
  const describe = (index: number): number => {
    const known = described.get(index);
    if (known !== undefined) return known;
    const expansion = plan.expansions.get(index);
    const at = body.add(
      tensorBytes(graph.tensors[index]!, graph.tensors[plan.stored[index]!]!, {
        operand: isWhole(plan, index) ? operand({ tensor: index }) : NEVER_WHOLE,
        expansion: expansion ? body.add(expansionBytes(expansion)) : 0,
      }),
    );
    described.set(index, at);
    return at;
  };

  const records = calls.map(({ call, operator }) =>
    naming(graph, graph.operators[operator]!, operator, () => encodeRecord(call, operator, operand, body)),
  );
  const operators = plan.operators.map(({ operator, recordEnd }) => {
    return { code: OPERATOR_CODES[operator.kind], recordEnd, tensor: describe(operator.outputs[0]!) };
  });
  const portValues = ports.map((tensor) => ({
    tensor: describe(tensor),
    name: body.add(new TextEncoder().encode(`${graph.tensors[tensor]!.name}\0`)),
  }));

  const thresholdsOffset = plan.exits.length === 0 ? 0 : body.add(exitThresholds(graph));

  const bytes = new Uint8Array(alignUp(body.end, ALIGNMENT));
  const view = new DataView(bytes.buffer);
  records.forEach((record, i) => {
    bytes.set(record, recordsOffset + i * RECORD_BYTES);
  });
  operators.forEach((values, i) => {
    writeStruct(view, operatorsOffset + i * OPERATOR_LAYOUT.bytes, OPERATOR_LAYOUT, values);
  });
  portValues.forEach((values, i) => {
    writeStruct(view, portsOffset + i * PORT_LAYOUT.bytes, PORT_LAYOUT, values);
  });
  plan.exits.forEach(({ criterion, ...values }, i) => {
    const exit = { ...values, criterion: CRITERIA.indexOf(criterion) };
    writeStruct(view, exitsOffset + i * EXIT_LAYOUT.bytes, EXIT_LAYOUT, exit);
  });
  body.copyTo(bytes);
  const header = {
    magic: MAGIC,
    version: VERSION,
    recordBytes: RECORD_BYTES,
    imageBytes: bytes.length,
    arenaBytes: plan.arenaBytes,
    scratchBytes: plan.scratchBytes,
    recordsOffset,
    recordCount: records.length,
    operatorCount: operators.length,
    operatorsOffset,
    portsOffset,
    inputCount: graph.inputs.length,
    outputCount: graph.outputs.length,
    exitsOffset,
    thresholdsOffset,
    exitCount: plan.exits.length,
    finalOutput: Math.max(0, plan.finalOutput),
  };
  writeStruct(view, 0, HEADER_LAYOUT, header);
  return bytes;
}

/** The thresholds of all exits, as the image holds them. */
function exitThresholds({ name, tensors, exits = [] }: Graph): Uint8Array {
  const classes = elementCount(tensors[exits[0]!.tensor]!.shape);
  const given = exits.map(({ thresholds }) => (thresholds.length === 1 ? thresholds[0]! : thresholds));
  return thresholdBytes(resolveThresholds(name, exits.length, classes, given));
}

function isWhole({ places }: Plan, tensor: number): boolean {
  const place = places[tensor];
  return place?.space !== "arena" || place.isWhole;
}

function encodeRecord(
  call: KernelCall,
  operator: number,
  operand: (ref: OperandRef) => number,
  body: Pool,
): Uint8Array {
  const values: Record<string, number> = { opcode: KERNELS[call.kernel].opcode, operator };
  const fields: Readonly<Record<string, number | OperandRef | ConstantData>> = call.values;
  for (const name in fields) {
    const value = fields[name]!;
    if (typeof value === "number") values[name] = value;
    else if (ArrayBuffer.isView(value))
      values[name] = body.add(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else values[name] = operand(value);
  }
  const record = new Uint8Array(RECORD_BYTES);
  writeStruct(new DataView(record.buffer), 0, recordLayout(call.kernel), values);
  return record;
}

function tensorBytes(
  tensor: Tensor,
  { quantization }: Tensor,
  places: { operand: number; expansion: number },
): Uint8Array {
  const bytes = new Uint8Array(TENSOR_LAYOUT.bytes + 4 * tensor.shape.length);
  const view = new DataView(bytes.buffer);
  writeStruct(view, 0, TENSOR_LAYOUT, {
    ...places,
    scale: quantization?.scales[0] ?? 1,
    zeroPoint: quantization?.zeroPoints[0] ?? 0,
    dtype: dtypeCode(tensor),
    rank: tensor.shape.length,
  });
  tensor.shape.forEach((dimension, d) => {
    view.setUint32(TENSOR_LAYOUT.bytes + 4 * d, dimension, true);
  });
  return bytes;
}

function expansionBytes(expansion: Expansion): Uint8Array {
  const values = new Int16Array(2 + expansion.length);
  new Uint32Array(values.buffer, 0, 1)[0] = expansion.length;
  for (let c = 0; c < expansion.length; c++) values[2 + c] = expansion[c] ?? KEPT_CHANNEL;
  return new Uint8Array(values.buffer);
}

function dtypeCode(tensor: Tensor): number {
  const code = (DTYPES as readonly string[]).indexOf(tensor.dtype);
  if (code < 0) throw new ThumbnetError(`tensor "${tensor.name}" has type ${tensor.dtype}`);
  return code;
}

/** Byte strings at aligned offsets, equal ones once. */
class Pool {
  readonly #entries: { at: number; bytes: Uint8Array }[] = [];
  readonly #known = new Map<number, { at: number; bytes: Uint8Array }[]>();
  end = 0;

  start(at: number): void {
    this.end = at;
  }

  add(bytes: Uint8Array): number {
    const key = sampleOf(bytes);
    const same = this.#known.get(key) ?? [];
    const found = same.find((entry) => equal(entry.bytes, bytes));
    if (found) return found.at;
    const entry = { at: alignUp(this.end, ALIGNMENT), bytes };
    this.#entries.push(entry);
    this.#known.set(key, [...same, entry]);
    this.end = entry.at + bytes.length;
    return entry.at;
  }

  copyTo(target: Uint8Array): void {
    for (const { at, bytes } of this.#entries) target.set(bytes, at);
  }
}

/** Tells most byte strings apart: their length and some of their bytes. */
function sampleOf(bytes: Uint8Array): number {
  let key = bytes.length;
  const step = Math.max(1, bytes.length >> 4);
  for (let i = 0; i < bytes.length; i += step) key = (Math.imul(key, 31) + bytes[i]!) | 0;
  return key;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
