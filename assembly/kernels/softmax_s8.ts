/**
 * Softmax over rows [rows, depth] of int8, output scale 1/256 and zero point -128, in fixed point. The output
 * may lie on the input. See docs/arithmetic.md.
 */
import { expOfNegative, reciprocalOfOnePlus } from "../support/fixed_point";
import { addressOf } from "../support/operand";
import { SoftmaxS8Record } from "../support/records";
import { highProduct, roundingShiftRight } from "../support/requantize";

/** Integer bits of the sum of a row's exponentials. */
const SUM_INTEGER_BITS: i32 = 12;

export function softmax_s8(r: SoftmaxS8Record, image: usize, arena: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const depth = <i32>r.depth;
  for (let row: u32 = 0; row < r.rows; row++) {
    let maximum: i32 = -128;
    for (let i = 0; i < depth; i++) maximum = max(maximum, <i32>load<i8>(input + i));
    let sum = 0;
    for (let i = 0; i < depth; i++) {
      const difference = <i32>load<i8>(input + i) - maximum;
      if (difference >= r.diffMin) sum += roundingShiftRight(exponential(r, difference), SUM_INTEGER_BITS);
    }
    const zeros = clz(sum);
    const scale = reciprocalOfOnePlus(<i32>((<u32>sum << zeros) - (<u32>1 << 31)));
    const shift = SUM_INTEGER_BITS - zeros + 23;
    for (let i = 0; i < depth; i++) {
      const difference = <i32>load<i8>(input + i) - maximum;
      let value: i32 = -128;
      // Where the shift would pass 31, the sum is 512 and more: no element reaches half a step.
      if (difference >= r.diffMin && shift <= 31) {
        value += roundingShiftRight(highProduct(scale, exponential(r, difference)), shift);
      }
      store<i8>(output + i, <i8>min(value, 127));
    }
    input += depth;
    output += depth;
  }
}

/** exp(difference * scale) in Q0.31. */
// @ts-ignore: decorator
@inline
function exponential(r: SoftmaxS8Record, difference: i32): i32 {
  return expOfNegative(highProduct(difference << r.leftShift, r.multiplier));
}
