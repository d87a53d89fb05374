import { Random } from "../data/random.ts";
import { storedType, type TensorInfo } from "../runtime/tensors.ts";

/** Random contents for an input, spread over all values; the same seed always gives the same. */
export function randomInput(info: TensorInfo, seed: number): Int8Array | Uint8Array {
  const random = new Random(seed);
  const bytes = Uint8Array.from({ length: info.elements }, () => random.uint32());
  return storedType(info) === "uint8" ? bytes : new Int8Array(bytes.buffer);
}
