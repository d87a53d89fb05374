/** CRC-32 as zlib has it: reflected polynomial 0xEDB88320, initial value and final xor all ones. */
let table: Uint32Array | undefined;

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
}

/** @param previous the CRC of the bytes before, to go on from */
export function crc32(bytes: Uint8Array, previous = 0): number {
  table ??= makeTable();
  let c = ~previous;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** Eight hexadecimal digits. */
export function formatCrc(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
