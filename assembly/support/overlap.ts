/** Records whose output lies on their input, as src/plan/overlap.ts allows it for the order of the chip's kernels. */
import { CONSTANT_BIT } from "./operand";
import * as R from "./records";

/** Bytes of the input of a kernel that reads it in another order than the chip's; 0 for the others. */
export function inputBytes(record: usize): usize {
  switch (load<u8>(record)) {
    case R.CONV_S8: {
      const r = changetype<R.ConvS8Record>(record);
      return <usize>r.batch * r.inputHeight * r.inputWidth * r.inputChannels;
    }
    case R.POINTWISE_S8: {
      const r = changetype<R.PointwiseS8Record>(record);
      return <usize>r.pixels * r.inputChannels;
    }
    case R.DEPTHWISE_S8: {
      const r = changetype<R.DepthwiseS8Record>(record);
      return <usize>r.batch * r.inputHeight * r.inputWidth * r.inputChannels;
    }
    case R.AVG_POOL_S8: {
      const r = changetype<R.AvgPoolS8Record>(record);
      return <usize>r.batch * r.inputHeight * r.inputWidth * r.inputChannels;
    }
    case R.MAX_POOL_S8: {
      const r = changetype<R.MaxPoolS8Record>(record);
      return <usize>r.batch * r.inputHeight * r.inputWidth * r.inputChannels;
    }
    default:
      return 0;
  }
}

function outputBytes(record: usize): usize {
  switch (load<u8>(record)) {
    case R.CONV_S8: {
      const r = changetype<R.ConvS8Record>(record);
      return <usize>r.batch * r.outputHeight * r.outputWidth * r.outputChannels;
    }
    case R.POINTWISE_S8: {
      const r = changetype<R.PointwiseS8Record>(record);
      return <usize>r.pixels * r.outputChannels;
    }
    case R.DEPTHWISE_S8: {
      const r = changetype<R.DepthwiseS8Record>(record);
      return <usize>r.batch * r.outputHeight * r.outputWidth * r.outputChannels;
    }
    case R.AVG_POOL_S8: {
      const r = changetype<R.AvgPoolS8Record>(record);
      return <usize>r.batch * r.outputHeight * r.outputWidth * r.outputChannels;
    }
    case R.MAX_POOL_S8: {
      const r = changetype<R.MaxPoolS8Record>(record);
      return <usize>r.batch * r.outputHeight * r.outputWidth * r.outputChannels;
    }
    default:
      return 0;
  }
}

/** Whether the input must be copied before the output is written. */
export function overwritesInput(record: usize): bool {
  const bytes = inputBytes(record);
  if (bytes == 0) return false;
  // All of these kernels have input and output where this one has them.
  const r = changetype<R.PointwiseS8Record>(record);
  if (r.input & CONSTANT_BIT) return false;
  return <usize>r.input < <usize>r.output + outputBytes(record) && <usize>r.output < <usize>r.input + bytes;
}
