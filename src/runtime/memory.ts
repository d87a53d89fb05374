/** Places in a WebAssembly memory. */
import { ThumbnetError } from "../errors.ts";
import { alignUp } from "../plan/layout.ts";

const PAGE = 65536;
export const ALIGNMENT = 16;

export const aligned = (address: number): number => alignUp(address, ALIGNMENT);

/** Grows a memory to so many bytes. @throws ThumbnetError where it cannot grow */
export function ensure(memory: WebAssembly.Memory, bytes: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE);
  if (missing <= 0) return;
  try {
    memory.grow(missing);
  } catch {
    throw new ThumbnetError(`the model needs ${bytes} bytes of WebAssembly memory, more than there is`);
  }
}
