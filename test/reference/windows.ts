/** Operators that slide a window over a picture, and the fully connected one, on plain integers. */
import { clamp, requantize } from "./arithmetic.ts";

/** Sizes of a sliding window over `[batches, inputHeight, inputWidth, channels]`. */
export interface WindowSizes {
  readonly batches: number;
  readonly inputHeight: number;
  readonly inputWidth: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  /** Rows of padding above the picture; what lies below follows from the output's size. */
  readonly padTop: number;
  readonly padLeft: number;
}

export interface ActivationRange {
  readonly activationMin: number;
  readonly activationMax: number;
}

/** From int32 accumulators to int8. One multiplier and shift, or one for each output channel. */
export interface Requantization extends ActivationRange {
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
  readonly multipliers: Int32Array;
  readonly shifts: Int32Array;
}

interface Convolution extends WindowSizes, Requantization {
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  /** [batches, inputHeight, inputWidth, inputChannels] */
  readonly input: Int8Array;
  /** [outputChannels], or null where there is none */
  readonly bias: Int32Array | null;
}

export interface Conv2dCall extends Convolution {
  /** Divides both channel counts. */
  readonly groups: number;
  /** [outputChannels, kernelHeight, kernelWidth, inputChannels / groups] */
  readonly weights: Int8Array;
}

export interface DepthwiseConv2dCall extends Convolution {
  /** outputChannels = inputChannels * depthMultiplier */
  readonly depthMultiplier: number;
  /** [1, kernelHeight, kernelWidth, outputChannels] */
  readonly weights: Int8Array;
}

export interface FullyConnectedCall extends Requantization {
  readonly batches: number;
  readonly inputDepth: number;
  readonly outputDepth: number;
  /** 0 in every converted model. */
  readonly weightsZeroPoint: number;
  /** [batches, inputDepth] */
  readonly input: Int8Array;
  /** [outputDepth, inputDepth] */
  readonly weights: Int8Array;
  /** [outputDepth], or null where there is none */
  readonly bias: Int32Array | null;
}

export interface PoolCall extends WindowSizes, ActivationRange {
  readonly channels: number;
  /** [batches, inputHeight, inputWidth, channels] */
  readonly input: Int8Array;
}

/** int32 accumulator of output channel `channel` to its int8 value. */
function toOutput(accumulator: number, channel: number, call: Requantization): number {
  const index = call.multipliers.length === 1 ? 0 : channel;
  const scaled = requantize(accumulator, call.multipliers[index]!, call.shifts[index]!);
  return clamp((scaled + call.outputZeroPoint) | 0, call.activationMin, call.activationMax);
}

/** Calls `visit` with the index of each output pixel and its position, in memory order. */
function eachOutputPixel(
  sizes: WindowSizes,
  visit: (pixel: number, batch: number, row: number, column: number) => void,
): void {
  let pixel = 0;
  for (let batch = 0; batch < sizes.batches; batch++) {
    for (let row = 0; row < sizes.outputHeight; row++) {
      for (let column = 0; column < sizes.outputWidth; column++) visit(pixel++, batch, row, column);
    }
  }
}

/** Taps of the window at an output pixel that lie inside the picture: [tap, pixel of the input]. */
function tapsInside(
  sizes: WindowSizes & { readonly dilationHeight?: number; readonly dilationWidth?: number },
  batch: number,
  row: number,
  column: number,
): [tap: number, inputPixel: number][] {
  const taps: [number, number][] = [];
  for (let ky = 0; ky < sizes.kernelHeight; ky++) {
    for (let kx = 0; kx < sizes.kernelWidth; kx++) {
      const y = row * sizes.strideHeight - sizes.padTop + ky * (sizes.dilationHeight ?? 1);
      const x = column * sizes.strideWidth - sizes.padLeft + kx * (sizes.dilationWidth ?? 1);
      if (y < 0 || y >= sizes.inputHeight || x < 0 || x >= sizes.inputWidth) continue;
      taps.push([ky * sizes.kernelWidth + kx, (batch * sizes.inputHeight + y) * sizes.inputWidth + x]);
    }
  }
  return taps;
}

/** [batches, outputHeight, outputWidth, outputChannels] */
export function conv2d(call: Conv2dCall): Int8Array {
  const { inputChannels, outputChannels, groups, input, weights } = call;
  const groupInputs = inputChannels / groups;
  const groupOutputs = outputChannels / groups;
  const taps = call.kernelHeight * call.kernelWidth;
  const output = new Int8Array(call.batches * call.outputHeight * call.outputWidth * outputChannels);
  eachOutputPixel(call, (pixel, batch, row, column) => {
    const inside = tapsInside(call, batch, row, column);
    for (let channel = 0; channel < outputChannels; channel++) {
      const firstInput = Math.floor(channel / groupOutputs) * groupInputs;
      let accumulator = call.bias === null ? 0 : call.bias[channel]!;
      for (const [tap, inputPixel] of inside) {
        const inputBase = inputPixel * inputChannels + firstInput;
        const weightsBase = (channel * taps + tap) * groupInputs;
        for (let i = 0; i < groupInputs; i++) {
          const value = input[inputBase + i]! - call.inputZeroPoint;
          accumulator = (accumulator + value * weights[weightsBase + i]!) | 0;
        }
      }
      output[pixel * outputChannels + channel] = toOutput(accumulator, channel, call);
    }
  });
  return output;
}

/** [batches, outputHeight, outputWidth, outputChannels] */
export function depthwiseConv2d(call: DepthwiseConv2dCall): Int8Array {
  const { inputChannels, outputChannels, input, weights } = call;
  const output = new Int8Array(call.batches * call.outputHeight * call.outputWidth * outputChannels);
  eachOutputPixel(call, (pixel, batch, row, column) => {
    const inside = tapsInside(call, batch, row, column);
    for (let channel = 0; channel < outputChannels; channel++) {
      const inputChannel = Math.floor(channel / call.depthMultiplier);
      let accumulator = call.bias === null ? 0 : call.bias[channel]!;
      for (const [tap, inputPixel] of inside) {
        const value = input[inputPixel * inputChannels + inputChannel]! - call.inputZeroPoint;
        accumulator = (accumulator + value * weights[tap * outputChannels + channel]!) | 0;
      }
      output[pixel * outputChannels + channel] = toOutput(accumulator, channel, call);
    }
  });
  return output;
}

/** [batches, outputDepth] */
export function fullyConnected(call: FullyConnectedCall): Int8Array {
  const { batches, inputDepth, outputDepth, input, weights } = call;
  const output = new Int8Array(batches * outputDepth);
  for (let batch = 0; batch < batches; batch++) {
    for (let channel = 0; channel < outputDepth; channel++) {
      let accumulator = call.bias === null ? 0 : call.bias[channel]!;
      for (let i = 0; i < inputDepth; i++) {
        const value = input[batch * inputDepth + i]! - call.inputZeroPoint;
        const weight = weights[channel * inputDepth + i]! - call.weightsZeroPoint;
        accumulator = (accumulator + value * weight) | 0;
      }
      output[batch * outputDepth + channel] = toOutput(accumulator, channel, call);
    }
  }
  return output;
}

function pool(call: PoolCall, combine: (values: number[]) => number): Int8Array {
  const { channels, input } = call;
  const output = new Int8Array(call.batches * call.outputHeight * call.outputWidth * channels);
  eachOutputPixel(call, (pixel, batch, row, column) => {
    const inside = tapsInside(call, batch, row, column);
    for (let channel = 0; channel < channels; channel++) {
      const value = combine(inside.map(([, inputPixel]) => input[inputPixel * channels + channel]!));
      output[pixel * channels + channel] = clamp(value, call.activationMin, call.activationMax);
    }
  });
  return output;
}

/** [batches, outputHeight, outputWidth, channels]: the mean of the elements inside the picture, ties away from zero. */
export function averagePool2d(call: PoolCall): Int8Array {
  return pool(call, (values) => {
    const sum = values.reduce((total, value) => total + value, 0);
    const half = Math.trunc(values.length / 2);
    return Math.trunc((sum > 0 ? sum + half : sum - half) / values.length);
  });
}

/** [batches, outputHeight, outputWidth, channels] */
export function maxPool2d(call: PoolCall): Int8Array {
  return pool(call, (values) => values.reduce((most, value) => Math.max(most, value), -128));
}
