/** The bit of an operand that says that it lies in the image. */
export const CONSTANT_BIT: u32 = 0x80000000;

/** The address of an operand: in the image if it is constant, else in the arena. */
// @ts-ignore: decorator
@inline
export function addressOf(operand: u32, image: usize, arena: usize): usize {
  return operand & CONSTANT_BIT ? image + <usize>(operand & ~CONSTANT_BIT) : arena + <usize>operand;
}
