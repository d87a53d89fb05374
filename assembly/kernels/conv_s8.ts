/**
 * 2-D convolution: input [N, H, W, C_in], weights [C_out, KH, KW, C_in / groups] (OHWI), output
 * [N, OH, OW, C_out], all int8; any stride, dilation, padding and number of groups. Padding counts as the
 * input zero point. Per output channel int32 bias (zero point folded in) and requantisation; see
 * docs/arithmetic.md.
 */
import { setTarget, target } from "../support/channels";
import { multiplyPixels, packedBytes, packWeights, setPixels, setWindow } from "../support/gemm";
import { addressOf } from "../support/operand";
import { setTables } from "../support/pack_block";
import { ConvS8Record, Requantization } from "../support/records";
import { toInt8 } from "../support/requantization";
import { packPlain, plainBytes, plainRows, rowsBytes, weightRow } from "../support/weight_rows";
import { coveredHeight, groupInputs, rowStride, widenInput } from "../support/widen";
import { isWinograd, winograd, winogradBytes, winogradPack, winogradScratch } from "../support/winograd";

/*
 * The vector path: most 3x3 convolutions with stride 1 as in winograd.ts. For others it widens the input of a group once, padding put around it, so that a window's rows are runs of int16
 * and nothing inside asks where the border is. With dilation the taps of a row lie apart: then each tap is a row.
 */

// @ts-ignore: decorator
@inline
function hasWholeRows(r: ConvS8Record): bool {
  return r.dilationWidth == 1;
}

/** Inputs of one output. */
// @ts-ignore: decorator
@inline
function depthOf(r: ConvS8Record): i32 {
  return <i32>r.kernelHeight * r.kernelWidth * groupInputs(r);
}

export function conv_s8_packed_bytes(r: ConvS8Record): usize {
  if (ASC_FEATURE_SIMD) return isWinograd(r) ? winogradBytes(r) : <usize>r.groups * groupBytes(r);
  return plainBytes(r.outputChannels, depthOf(r), r.sparse != 0);
}

function groupBytes(r: ConvS8Record): usize {
  const outputs = <i32>r.outputChannels / r.groups;
  return hasWholeRows(r)
    ? packedBytes(<i32>r.kernelWidth * groupInputs(r), r.kernelHeight, outputs)
    : packedBytes(groupInputs(r), <i32>r.kernelHeight * r.kernelWidth, outputs);
}

export function conv_s8_scratch_bytes(r: ConvS8Record): usize {
  if (!ASC_FEATURE_SIMD) return 0;
  if (isWinograd(r)) return winogradScratch(r);
  return max((<usize>coveredHeight(r) * rowStride(r) + 8) << 1, rowsBytes(depthOf(r)));
}

export function conv_s8_pack(r: ConvS8Record, image: usize, packed: usize, scratch: usize): void {
  if (ASC_FEATURE_SIMD) {
    const outputs = <i32>r.outputChannels / r.groups;
    let weights = image + r.weights;
    setTables(image + r.requantization, r.outputZeroPoint, r.activationMin, r.activationMax);
    if (isWinograd(r)) {
      winogradPack(r, packed, weights);
      return;
    }
    setRuns(r);
    for (let group = 0; group < <i32>r.groups; group++) {
      weights = packWeights(packed, weights, group * outputs, outputs, r.sparse != 0, scratch);
      packed += groupBytes(r);
    }
  } else {
    const t = changetype<Requantization>(image + r.requantization);
    packPlain(packed, t, image + r.weights, depthOf(r), r.sparse != 0);
  }
}

/** The runs of a window in the widened input. */
function setRuns(r: ConvS8Record): void {
  const inputs = groupInputs(r);
  const down = <i32>r.dilationHeight * rowStride(r);
  if (hasWholeRows(r)) setWindow(<i32>r.kernelWidth * inputs, 1, 0, r.kernelHeight, down);
  else setWindow(inputs, r.kernelWidth, <i32>r.dilationWidth * inputs, r.kernelHeight, down);
}

export function conv_s8(r: ConvS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const inputBytes = <usize>r.inputHeight * r.inputWidth * r.inputChannels;
  const outputBytes = <usize>r.outputHeight * r.outputWidth * r.outputChannels;
  for (let n = 0; n < <i32>r.batch; n++) {
    if (ASC_FEATURE_SIMD) convVector(r, input, output, packed, scratch);
    else convPlain(r, image, input, output, packed);
    input += inputBytes;
    output += outputBytes;
  }
}

function convVector(r: ConvS8Record, input: usize, output: usize, packed: usize, scratch: usize): void {
  const groups = <i32>r.groups;
  const inputs = groupInputs(r);
  const outputs = <i32>r.outputChannels / groups;
  setTarget(r.outputChannels, outputs, r.outputZeroPoint, r.activationMin, r.activationMax);
  if (isWinograd(r)) {
    target.row = <i32>r.outputWidth * r.outputChannels;
    winograd(r, input, output, packed, scratch);
    return;
  }
  setRuns(r);
  const width = <i32>r.outputWidth;
  const right = (<i32>r.strideWidth * inputs) << 1;
  // From the last pixel of a row to the first of the next.
  const wrap = ((<i32>r.strideHeight * rowStride(r)) << 1) - right * (width - 1);
  setPixels(<i32>r.outputHeight * width, width, right, wrap);
  for (let group = 0; group < groups; group++) {
    widenInput(r, input + group * inputs, scratch);
    multiplyPixels(scratch, packed, output + group * outputs);
    packed += groupBytes(r);
  }
}

function convPlain(r: ConvS8Record, image: usize, input: usize, output: usize, packed: usize): void {
  const t = changetype<Requantization>(image + r.requantization);
  const depth = <i32>r.inputChannels / r.groups;
  const channels = <i32>r.outputChannels;
  const perGroup = channels / <i32>r.groups;
  const height = <i32>r.inputHeight;
  const width = <i32>r.inputWidth;
  const padding = weightRow(depthOf(r)) - depthOf(r);
  for (let y = 0; y < <i32>r.outputHeight; y++) {
    for (let x = 0; x < <i32>r.outputWidth; x++) {
      const top = y * r.strideHeight - r.padTop;
      const left = x * r.strideWidth - r.padLeft;
      let weights = r.sparse ? plainRows(packed, channels) : image + r.weights;
      for (let c = 0; c < channels; c++) {
        const from = input + (c / perGroup) * depth;
        weights += padding;
        let sum = load<i32>(packed + (<usize>c << 2));
        for (let ky = 0; ky < <i32>r.kernelHeight; ky++) {
          const iy = top + ky * r.dilationHeight;
          for (let kx = 0; kx < <i32>r.kernelWidth; kx++) {
            const ix = left + kx * r.dilationWidth;
            if (iy >= 0 && iy < height && ix >= 0 && ix < width) {
              const pixel = from + ((iy * width + ix) * <i32>r.inputChannels);
              for (let k = 0; k < depth; k++) sum += <i32>load<i8>(pixel + k) * <i32>load<i8>(weights + k);
            } else {
              for (let k = 0; k < depth; k++) sum += r.inputZeroPoint * <i32>load<i8>(weights + k);
            }
            weights += depth;
          }
        }
        store<i8>(output + c, toInt8(t, c, sum, r.outputZeroPoint, r.activationMin, r.activationMax));
      }
      output += channels;
    }
  }
}
