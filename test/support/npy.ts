/** A NumPy file. @param descr its type, as NumPy names it */
export function npy(
  descr: string,
  shape: readonly number[],
  data: { readonly buffer: ArrayBufferLike; readonly byteOffset: number; readonly byteLength: number },
  version: 1 | 2 = 1,
): Uint8Array {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  const prefix = version === 1 ? 10 : 12;
  const padding = 64 - ((prefix + header.length + 1) % 64);
  const text = new TextEncoder().encode(`${header}${" ".repeat(padding)}\n`);
  const bytes = new Uint8Array(prefix + text.length + data.byteLength);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  if (version === 1) view.setUint16(8, text.length, true);
  else view.setUint32(8, text.length, true);
  bytes.set(text, prefix);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), prefix + text.length);
  return bytes;
}
