/** The one entry of the training kernels: float32, SIMD, on the memory of TensorFlow.js' wasm backend. */
export { batchNorm, batchNormGradient, batchNormScratch, normalizeRows } from "./batch_norm";
export { columnSumsScratch } from "./channels";
export { conv, convFilterGradient, convInputGradient, convScratch } from "./conv";
export {
  depthwise3x3,
  depthwise3x3FilterGradient,
  depthwise3x3InputGradient,
  depthwise3x3Scratch,
  isDepthwise3x3,
} from "./depthwise";
export {
  depthwise,
  depthwiseFilterGradient,
  depthwiseInputGradient,
  depthwiseScratch,
} from "./depthwise_general";
export { adam, dropout, relu, reluGradient } from "./elementwise";
export { multiply, multiplyTransposed, pack, packedFloats, packTransposed } from "./gemm";
export { averagePool, averagePoolGradient } from "./pool";
export { repeatMiddle, sumMiddle } from "./reduce";
