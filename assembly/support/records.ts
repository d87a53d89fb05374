// Written by scripts/build.mjs from src/plan/layout.ts. Do not edit.

export const RECORD_BYTES: usize = 68;

export const CONV_S8: u8 = 1;
export const POINTWISE_S8: u8 = 2;
export const DEPTHWISE_S8: u8 = 3;
export const FULLY_CONNECTED_S8: u8 = 4;
export const AVG_POOL_S8: u8 = 5;
export const MAX_POOL_S8: u8 = 6;
export const ADD_S8: u8 = 7;
export const MUL_S8: u8 = 8;
export const LOOKUP_S8: u8 = 9;
export const SOFTMAX_S8: u8 = 10;
export const PAD_S8: u8 = 11;
export const MEAN_S8: u8 = 12;
export const COPY_S8: u8 = 13;

export const EXACT: u8 = 0;
export const TWO_PART: u8 = 1;

// @ts-ignore: decorator
@unmanaged
export class Header {
  magic: u32;
  version: u16;
  recordBytes: u16;
  imageBytes: u32;
  crc32: u32;
  arenaBytes: u32;
  recordsOffset: u32;
  recordCount: u16;
  operatorCount: u16;
  scratchBytes: u32;
  operatorsOffset: u32;
  portsOffset: u32;
  inputCount: u16;
  outputCount: u16;
  exitsOffset: u32;
  thresholdsOffset: u32;
  exitCount: u16;
  finalOutput: u16;
}

// @ts-ignore: decorator
@unmanaged
export class Requantization {
  form: u8;
  productShift: u8;
  outputShift: u8;
  perChannel: u8;
  channels: u32;
}

// @ts-ignore: decorator
@unmanaged
export class ConvS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  weights: u32;
  requantization: u32;
  batch: u16;
  inputHeight: u16;
  inputWidth: u16;
  inputChannels: u16;
  outputHeight: u16;
  outputWidth: u16;
  outputChannels: u16;
  kernelHeight: u16;
  kernelWidth: u16;
  strideHeight: u16;
  strideWidth: u16;
  dilationHeight: u16;
  dilationWidth: u16;
  padTop: u16;
  padLeft: u16;
  groups: u16;
  unpack: u16;
  sparse: u8;
  inputZeroPoint: i8;
  outputZeroPoint: i8;
  activationMin: i8;
  activationMax: i8;
}

// @ts-ignore: decorator
@unmanaged
export class PointwiseS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  weights: u32;
  requantization: u32;
  pixels: u32;
  inputChannels: u16;
  outputChannels: u16;
  unpack: u16;
  sparse: u8;
  outputZeroPoint: i8;
  activationMin: i8;
  activationMax: i8;
}

// @ts-ignore: decorator
@unmanaged
export class DepthwiseS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  weights: u32;
  requantization: u32;
  batch: u16;
  inputHeight: u16;
  inputWidth: u16;
  inputChannels: u16;
  outputHeight: u16;
  outputWidth: u16;
  outputChannels: u16;
  kernelHeight: u16;
  kernelWidth: u16;
  strideHeight: u16;
  strideWidth: u16;
  dilationHeight: u16;
  dilationWidth: u16;
  padTop: u16;
  padLeft: u16;
  depthMultiplier: u16;
  inputZeroPoint: i8;
  outputZeroPoint: i8;
  activationMin: i8;
  activationMax: i8;
}

// @ts-ignore: decorator
@unmanaged
export class FullyConnectedS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  weights: u32;
  requantization: u32;
  batch: u32;
  inputChannels: u32;
  outputChannels: u32;
  outputZeroPoint: i8;
  activationMin: i8;
  activationMax: i8;
  weightsZeroPoint: i8;
}

// @ts-ignore: decorator
@unmanaged
export class AvgPoolS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  batch: u16;
  inputHeight: u16;
  inputWidth: u16;
  inputChannels: u16;
  outputHeight: u16;
  outputWidth: u16;
  outputChannels: u16;
  kernelHeight: u16;
  kernelWidth: u16;
  strideHeight: u16;
  strideWidth: u16;
  dilationHeight: u16;
  dilationWidth: u16;
  padTop: u16;
  padLeft: u16;
  activationMin: i8;
  activationMax: i8;
}

// @ts-ignore: decorator
@unmanaged
export class MaxPoolS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  batch: u16;
  inputHeight: u16;
  inputWidth: u16;
  inputChannels: u16;
  outputHeight: u16;
  outputWidth: u16;
  outputChannels: u16;
  kernelHeight: u16;
  kernelWidth: u16;
  strideHeight: u16;
  strideWidth: u16;
  dilationHeight: u16;
  dilationWidth: u16;
  padTop: u16;
  padLeft: u16;
  activationMin: i8;
  activationMax: i8;
}

// @ts-ignore: decorator
@unmanaged
export class AddS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  input2: u32;
  output: u32;
  dim0: u32;
  dim1: u32;
  dim2: u32;
  dim3: u32;
  broadcast1: u8;
  broadcast2: u8;
  subtract: u8;
  sumShift: u8;
  multiplier1: i32;
  multiplier2: i32;
  outputMultiplier: i32;
  shift1: i8;
  shift2: i8;
  outputShift: i8;
  inputZeroPoint: i8;
  input2ZeroPoint: i8;
  outputZeroPoint: i8;
  activationMin: i8;
  activationMax: i8;
  factor1: i32;
  factor2: i32;
  sumOffset: i32;
}

// @ts-ignore: decorator
@unmanaged
export class MulS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  input2: u32;
  output: u32;
  dim0: u32;
  dim1: u32;
  dim2: u32;
  dim3: u32;
  broadcast1: u8;
  broadcast2: u8;
  outputMultiplier: i32;
  outputShift: i8;
  inputZeroPoint: i8;
  input2ZeroPoint: i8;
  outputZeroPoint: i8;
  activationMin: i8;
  activationMax: i8;
}

// @ts-ignore: decorator
@unmanaged
export class LookupS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  table: u32;
  count: u32;
}

// @ts-ignore: decorator
@unmanaged
export class SoftmaxS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  rows: u32;
  depth: u32;
  multiplier: i32;
  diffMin: i32;
  leftShift: u8;
}

// @ts-ignore: decorator
@unmanaged
export class PadS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  dim0: u32;
  dim1: u32;
  dim2: u32;
  dim3: u32;
  before0: u16;
  before1: u16;
  before2: u16;
  before3: u16;
  after0: u16;
  after1: u16;
  after2: u16;
  after3: u16;
  value: i8;
}

// @ts-ignore: decorator
@unmanaged
export class MeanS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  dim0: u32;
  dim1: u32;
  dim2: u32;
  dim3: u32;
  multiplier: i32;
  count: u32;
  shift: i8;
  reduced: u8;
  inputZeroPoint: i8;
  outputZeroPoint: i8;
}

// @ts-ignore: decorator
@unmanaged
export class CopyS8Record {
  opcode: u8;
  reserved: u8;
  operator: u16;
  input: u32;
  output: u32;
  rows: u32;
  rowBytes: u32;
  outputStride: u32;
}
