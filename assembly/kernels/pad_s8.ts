/** Puts a border of one value around up to four dimensions of bytes. */
import { addressOf } from "../support/operand";
import { PadS8Record } from "../support/records";

export function pad_s8(r: PadS8Record, image: usize, arena: usize): void {
  let input = addressOf(r.input, image, arena);
  const output = addressOf(r.output, image, arena);
  const row = <usize>r.before3 + r.dim3 + r.after3;
  const plane = row * (<usize>r.before2 + r.dim2 + r.after2);
  const block = plane * (<usize>r.before1 + r.dim1 + r.after1);
  memory.fill(output, r.value, block * (<usize>r.before0 + r.dim0 + r.after0));
  for (let i0: usize = 0; i0 < <usize>r.dim0; i0++) {
    for (let i1: usize = 0; i1 < <usize>r.dim1; i1++) {
      for (let i2: usize = 0; i2 < <usize>r.dim2; i2++) {
        const at = (r.before0 + i0) * block + (r.before1 + i1) * plane + (r.before2 + i2) * row + r.before3;
        memory.copy(output + at, input, r.dim3);
        input += r.dim3;
      }
    }
  }
}
