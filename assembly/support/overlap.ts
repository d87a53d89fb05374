/** Records whose output lies on their input, as src/plan/overlap.ts allows it for the order of the chip's kernels. */
import { CONSTANT_BIT } from "./operand";
import * as R from "./records";

/** `T` is a record of a kernel with windows. */
// @ts-ignore: decorator
@inline
function pictureBytes<T>(record: usize, isOutput: bool): usize {
  const r = changetype<T>(record);
  if (isOutput) return <usize>r.batch * r.outputHeight * r.outputWidth * r.outputChannels;
  return <usize>r.batch * r.inputHeight * r.inputWidth * r.inputChannels;
}

/** Bytes of the input or output of a kernel that reads in another order than the chip's; 0 for the others. */
function tensorBytes(record: usize, isOutput: bool): usize {
  switch (load<u8>(record)) {
    case R.CONV_S8:
      return pictureBytes<R.ConvS8Record>(record, isOutput);
    case R.POINTWISE_S8: {
      const r = changetype<R.PointwiseS8Record>(record);
      return <usize>r.pixels * (isOutput ? r.outputChannels : r.inputChannels);
    }
    case R.DEPTHWISE_S8:
      return pictureBytes<R.DepthwiseS8Record>(record, isOutput);
    case R.AVG_POOL_S8:
      return pictureBytes<R.AvgPoolS8Record>(record, isOutput);
    case R.MAX_POOL_S8:
      return pictureBytes<R.MaxPoolS8Record>(record, isOutput);
    default:
      return 0;
  }
}

/** Bytes of the input that must be copied where `overwritesInput`. */
export function inputBytes(record: usize): usize {
  return tensorBytes(record, false);
}

/** Whether the input must be copied before the output is written. */
export function overwritesInput(record: usize): bool {
  const bytes = inputBytes(record);
  if (bytes == 0) return false;
  // All of these kernels have input and output where this one has them.
  const r = changetype<R.PointwiseS8Record>(record);
  if (r.input & CONSTANT_BIT) return false;
  return <usize>r.input < <usize>r.output + tensorBytes(record, true) && <usize>r.output < <usize>r.input + bytes;
}
