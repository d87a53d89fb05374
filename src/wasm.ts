/** What WebAssembly modules need that the build put into the source. */
import { ThumbnetError } from "./errors.ts";

const PAGE = 65536;

/** The bytes of a module. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

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
