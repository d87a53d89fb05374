/** output[i] = table[uint8(input[i])]: every operator of one element. The output may lie on the input. */
import { addressOf } from "../support/operand";
import { LookupS8Record } from "../support/records";

export function lookup_s8(r: LookupS8Record, image: usize, arena: usize): void {
  const input = addressOf(r.input, image, arena);
  const output = addressOf(r.output, image, arena);
  const table = image + r.table;
  for (let i: usize = 0; i < <usize>r.count; i++)
    store<u8>(output + i, load<u8>(table + load<u8>(input + i)));
}
