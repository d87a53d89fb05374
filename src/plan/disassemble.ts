import { HEADER, KERNELS, type KernelName, RECORD_BYTES, recordLayout, structLayout } from "./layout.ts";
import { readStruct } from "./struct.ts";

/** A record of an image, read back. */
export interface DecodedRecord {
  readonly kernel: KernelName;
  /** Index of the operator in the model file. */
  readonly operator: number;
  /** Where the record lies in the image. */
  readonly offset: number;
  /** By field name; operands and constants as offsets. */
  readonly fields: Readonly<Record<string, number>>;
}

const NAMES = new Map(
  Object.entries(KERNELS).map(([name, { opcode }]) => [opcode as number, name as KernelName]),
);

/** The records of an image that `readImage` has accepted. */
export function disassemble(image: Uint8Array): DecodedRecord[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const { recordsOffset, recordCount } = readStruct<typeof HEADER>(view, 0, structLayout(HEADER));
  return Array.from({ length: recordCount }, (_, i) => {
    const offset = recordsOffset + i * RECORD_BYTES;
    const kernel = NAMES.get(image[offset]!)!;
    const { operator, ...fields } = readStruct(view, offset, recordLayout(kernel)) as Record<string, number>;
    return { kernel, operator: operator!, offset, fields };
  });
}
