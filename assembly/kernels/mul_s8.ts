/**
 * Product of two int8 tensors that broadcast, rescaled to the output's scale. The output may lie on an input
 * of its size. See docs/arithmetic.md.
 */
import { rowOffset } from "../support/broadcast";
import { addressOf } from "../support/operand";
import { MulS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

export function mul_s8(r: MulS8Record, image: usize, arena: usize): void {
  const input1 = addressOf(r.input, image, arena);
  const input2 = addressOf(r.input2, image, arena);
  let output = addressOf(r.output, image, arena);
  const step1 = <usize>(((r.broadcast1 >> 3) & 1) ^ 1);
  const step2 = <usize>(((r.broadcast2 >> 3) & 1) ^ 1);
  for (let i0 = 0; i0 < <i32>r.dim0; i0++) {
    for (let i1 = 0; i1 < <i32>r.dim1; i1++) {
      for (let i2 = 0; i2 < <i32>r.dim2; i2++) {
        let a = input1 + rowOffset(r.broadcast1, r.dim1, r.dim2, r.dim3, i0, i1, i2);
        let b = input2 + rowOffset(r.broadcast2, r.dim1, r.dim2, r.dim3, i0, i1, i2);
        for (let i = 0; i < <i32>r.dim3; i++) {
          const x = <i32>load<i8>(a) - r.inputZeroPoint;
          const y = <i32>load<i8>(b) - r.input2ZeroPoint;
          const value = requantize(x * y, r.outputMultiplier, r.outputShift) + r.outputZeroPoint;
          store<i8>(output++, <i8>clamp(value, r.activationMin, r.activationMax));
          a += step1;
          b += step2;
        }
      }
    }
  }
}
