/**
 * Mean over any of four dimensions: the sum less count * zero point, requantized by a multiplier that the
 * division by the count is folded into, as tflite-micro does it. See docs/arithmetic.md.
 */
import { addressOf } from "../support/operand";
import { MeanS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

export function mean_s8(r: MeanS8Record, image: usize, arena: usize): void {
  const input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const stride2 = r.dim3;
  const stride1 = stride2 * r.dim2;
  const stride0 = stride1 * r.dim1;
  // Outer loops over what is kept, inner ones over what is summed: each dimension is in one of them.
  for (let i0: u32 = 0; i0 < kept(r, r.dim0, 0); i0++) {
    for (let i1: u32 = 0; i1 < kept(r, r.dim1, 1); i1++) {
      for (let i2: u32 = 0; i2 < kept(r, r.dim2, 2); i2++) {
        for (let i3: u32 = 0; i3 < kept(r, r.dim3, 3); i3++) {
          const first = input + (i0 * stride0 + i1 * stride1 + i2 * stride2 + i3);
          const sum = sumFrom(r, first, stride0, stride1, stride2) - <i32>r.count * r.inputZeroPoint;
          const value = requantize(sum, r.multiplier, r.shift) + r.outputZeroPoint;
          store<i8>(output++, <i8>clamp(value, -128, 127));
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function kept(r: MeanS8Record, size: u32, dimension: u8): u32 {
  return (r.reduced >> dimension) & 1 ? 1 : size;
}

// @ts-ignore: decorator
@inline
function summed(r: MeanS8Record, size: u32, dimension: u8): u32 {
  return (r.reduced >> dimension) & 1 ? size : 1;
}

function sumFrom(r: MeanS8Record, first: usize, stride0: u32, stride1: u32, stride2: u32): i32 {
  let sum = 0;
  for (let i0: u32 = 0; i0 < summed(r, r.dim0, 0); i0++) {
    for (let i1: u32 = 0; i1 < summed(r, r.dim1, 1); i1++) {
      for (let i2: u32 = 0; i2 < summed(r, r.dim2, 2); i2++) {
        const row = first + (i0 * stride0 + i1 * stride1 + i2 * stride2);
        for (let i3: u32 = 0; i3 < summed(r, r.dim3, 3); i3++) sum += load<i8>(row + i3);
      }
    }
  }
  return sum;
}
