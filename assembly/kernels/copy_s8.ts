/** Rows of bytes into rows that lie `outputStride` apart: one input of a concatenation. */
import { addressOf } from "../support/operand";
import { CopyS8Record } from "../support/records";

export function copy_s8(r: CopyS8Record, image: usize, arena: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  for (let i: u32 = 0; i < r.rows; i++) {
    memory.copy(output, input, r.rowBytes);
    input += r.rowBytes;
    output += r.outputStride;
  }
}
