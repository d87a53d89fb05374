/** Our kernels in place of the wasm backend's. */
import * as tf from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../../errors.ts";
import { ADAM, adam } from "./adam.ts";
import {
  BATCH_NORM,
  BATCH_NORM_GRADIENT,
  batchNorm,
  batchNormGradient,
  fusedBatchNorm,
  registerBatchNormGradient,
} from "./batch-norm.ts";
import { conv2d, conv2dBackpropFilter, conv2dBackpropInput } from "./conv.ts";
import { depthwise, depthwiseBackpropFilter, depthwiseBackpropInput } from "./depthwise.ts";
import { DROPOUT, dropout, registerDropoutGradient } from "./dropout.ts";
import { Heap } from "./heap.ts";
import { identity } from "./identity.ts";
import type { Kernel } from "./kernel.ts";
import { matMul } from "./mat-mul.ts";
import { averagePool, averagePoolGradient } from "./pool.ts";
import { mean, sum, tile } from "./reduce.ts";
import { RELU_GRADIENT, relu, relu6, reluGradient } from "./relu.ts";

const BACKEND = "wasm";

const KERNELS: Readonly<Record<string, Kernel>> = {
  Conv2D: conv2d,
  Conv2DBackpropInput: conv2dBackpropInput,
  Conv2DBackpropFilter: conv2dBackpropFilter,
  DepthwiseConv2dNative: depthwise,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  AvgPool: averagePool,
  AvgPoolGrad: averagePoolGradient,
  BatchMatMul: matMul,
  FusedBatchNorm: fusedBatchNorm,
  Sum: sum,
  Mean: mean,
  Tile: tile,
  Identity: identity,
  Relu: relu,
  Relu6: relu6,
  [RELU_GRADIENT]: reluGradient,
  [BATCH_NORM]: batchNorm,
  [BATCH_NORM_GRADIENT]: batchNormGradient,
  [DROPOUT]: dropout,
  [ADAM]: adam,
};

const heaps = new WeakMap<object, Heap>();
let isRegistered = false;

/**
 * Puts our kernels on the wasm backend that is active. What one of them does not do goes to the kernel that was
 * there before.
 *
 * @returns the backend's memory
 */
export async function registerTrainingKernels(): Promise<Heap> {
  const backend = tf.backend();
  let heap = heaps.get(backend);
  if (heap === undefined) {
    heap = await Heap.on(backend);
    heaps.set(backend, heap);
  }
  if (!isRegistered) {
    for (const [name, kernel] of Object.entries(KERNELS)) override(name, kernel);
    registerBatchNormGradient();
    registerDropoutGradient();
    isRegistered = true;
  }
  return heap;
}

function override(kernelName: string, kernel: Kernel): void {
  const stock: tf.KernelConfig | undefined = tf.getKernel(kernelName, BACKEND);
  if (stock !== undefined) tf.unregisterKernel(kernelName, BACKEND);
  tf.registerKernel({
    ...stock,
    kernelName,
    backendName: BACKEND,
    kernelFunc: (params) => {
      // A backend that was started again has another memory.
      const heap = heaps.get(params.backend);
      const result = heap && kernel(heap, params.inputs as Record<string, tf.TensorInfo>, params.attrs ?? {});
      if (result) return result;
      if (stock === undefined) {
        throw new ThumbnetError(`${kernelName}: no such kernel for these inputs on the wasm backend`);
      }
      return stock.kernelFunc(params);
    },
  });
}
