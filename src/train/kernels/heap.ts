/** The wasm backend's memory with our kernels on it: addresses of tensors, outputs, scratch. */
import type { backend_util, TensorInfo } from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../../errors.ts";
import { elementCount } from "../../graph/shape.ts";
import { decodeBase64 } from "../../wasm.ts";
import type { TrainingExports } from "./exports.ts";
import { train } from "./wasm.generated.ts";

/** The part of `BackendWasm` that is used. */
interface WasmBackend {
  readonly wasm: {
    readonly asm: Record<string, unknown>;
    readonly HEAPU8: Uint8Array;
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: number[], dtype: "float32"): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
}

/** int32 fields of `Window` in assembly/train/window.ts, in order. */
const WINDOW_FIELDS = 15;

export class Heap {
  readonly kernels: TrainingExports;
  readonly #backend: WasmBackend;
  readonly #memory: WebAssembly.Memory;
  readonly #window: number;
  #scratch = 0;
  #scratchFloats = 0;

  private constructor(backend: WasmBackend, memory: WebAssembly.Memory, kernels: TrainingExports) {
    this.#backend = backend;
    this.#memory = memory;
    this.kernels = kernels;
    this.#window = backend.wasm._malloc(WINDOW_FIELDS * 4);
  }

  /** @throws ThumbnetError when this version of the backend keeps its memory elsewhere */
  static async on(backend: object): Promise<Heap> {
    const wasmBackend = backend as WasmBackend;
    const { asm, HEAPU8 } = wasmBackend.wasm;
    const memory = Object.values(asm).find(
      (value): value is WebAssembly.Memory =>
        value instanceof WebAssembly.Memory && value.buffer === HEAPU8.buffer,
    );
    if (memory === undefined) {
      throw new ThumbnetError(
        "this version of @tensorflow/tfjs-backend-wasm does not show its memory; 4.22 does",
      );
    }
    const bytes = decodeBase64(train);
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    return new Heap(wasmBackend, memory, instance.exports as unknown as TrainingExports);
  }

  /** Address of a tensor's values. */
  address({ dataId }: TensorInfo): number {
    return this.#backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** Addresses of several tensors, to be spread into the arguments of a kernel. */
  addresses<const T extends readonly TensorInfo[]>(...tensors: T): { [I in keyof T]: number } {
    return tensors.map((tensor) => this.address(tensor)) as { [I in keyof T]: number };
  }

  /** A new float32 tensor, not cleared. @throws ThumbnetError when the memory is full */
  output(shape: number[]): TensorInfo {
    const floats = elementCount(shape);
    // The backend's allocator would take the size modulo 2^32.
    if (floats >= 2 ** 30) throw this.#full(`a tensor [${shape}]`);
    const info = this.#backend.makeOutput(shape, "float32");
    if (!this.#isInside(this.address(info), floats)) {
      this.#backend.disposeData(info.dataId);
      throw this.#full(`a tensor [${shape}]`);
    }
    return info;
  }

  /** Another tensor on the same values. */
  share({ dataId, shape, dtype }: TensorInfo): TensorInfo {
    // Looked up first: values that another backend has are moved here.
    this.#backend.dataIdMap.get(dataId);
    this.#backend.incRef(dataId);
    return { dataId, shape, dtype };
  }

  /** Address of `floats` floats, aligned to 8, theirs until the next call. */
  scratch(floats: number): number {
    if (floats > this.#scratchFloats) {
      const { wasm } = this.#backend;
      if (this.#scratch !== 0) wasm._free(this.#scratch);
      this.#scratchFloats = 0;
      this.#scratch = wasm._malloc(floats * 4) >>> 0;
      if (!this.#isInside(this.#scratch, floats)) {
        this.#scratch = 0;
        throw this.#full(`${floats} floats of scratch`);
      }
      this.#scratchFloats = floats;
    }
    return this.#scratch;
  }

  /** Address of a `Window`, filled in; of this one until the next call. */
  window(info: backend_util.Conv2DInfo): number {
    new Int32Array(this.#memory.buffer, this.#window, WINDOW_FIELDS).set([
      info.batchSize,
      info.inHeight,
      info.inWidth,
      info.inChannels,
      info.filterHeight,
      info.filterWidth,
      info.strideHeight,
      info.strideWidth,
      info.dilationHeight,
      info.dilationWidth,
      info.padInfo.top,
      info.padInfo.left,
      info.outHeight,
      info.outWidth,
      info.outChannels,
    ]);
    return this.#window;
  }

  /** Writes zeros. */
  clear(address: number, floats: number): void {
    this.#backend.wasm.HEAPU8.fill(0, address >>> 0, (address >>> 0) + floats * 4);
  }

  /** Bytes of the whole memory; it never shrinks. */
  get bytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Whether an allocation succeeded: near 4 GiB the allocator gives 0, or what lies beyond the memory's end. */
  #isInside(address: number, floats: number): boolean {
    return floats === 0 || (address !== 0 && address + floats * 4 <= this.bytes);
  }

  #full(what: string): ThumbnetError {
    const size = Math.round(this.bytes / 2 ** 20);
    return new ThumbnetError(
      `training: no memory for ${what}, ${size} MiB are in use; a smaller batch needs less`,
    );
  }
}
