// @ts-check
/**
 * TensorFlow Lite as a peer: Google's two WebAssembly builds of it, with XNNPACK's SIMD kernels, one thread. Both
 * read the .tflite itself. They are made for pages, but their emscripten modules need nothing of a page once they
 * are handed their binary, so they run in this process.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { compileFunction } from "node:vm";
import { checkLength, gzippedSize, joined, pathOf } from "./support.mjs";

/** @import { Peer, PeerModel } from "./index.mjs" */

/** What embind gives for a C++ object. @typedef {{ delete(): void }} Handle */
/** @template T @typedef {Handle & { size(): number, get(index: number): T, push_back(value: T): void }} Vector */
/** @typedef {{ _malloc(bytes: number): number, _free(address: number): void, HEAPU8: Uint8Array }} Heap */

/** @typedef {{ data(): Int8Array, dataType: string }} TfjsTensor */
/** @typedef {{ GetInputs(): Vector<TfjsTensor>, GetOutputs(): Vector<TfjsTensor>, Infer(): boolean }} TfjsMethods */
/** @typedef {Handle & TfjsMethods} TfjsRunner */
/** @typedef {Handle & { ok(): boolean, errorMessage(): string, value(): TfjsRunner }} TfjsStatus */
/** @typedef {{ numThreads: number, enableProfiling: boolean, maxProfilingBufferEntries: number }} TfjsOptions */
/** @typedef {{ CreateFromBufferAndOptions(at: number, bytes: number, options: TfjsOptions): TfjsStatus }} TfjsFactory */
/** @typedef {Heap & { TFLiteWebModelRunner: TfjsFactory }} TfjsModule */

/** @typedef {Handle & { dimensions(): Vector<number> }} Layout */
/** @typedef {Handle & { layout(): Layout, elementType(): object, bytes(): number }} TensorType */
/** @typedef {Handle & { lock(mode: object): number, unlock(): void, packedSize(): number }} TensorBuffer */
/** @typedef {Handle & { getInputTensorType(signature: number, index: number): TensorType }} LiteRtModel */
/** @typedef {Handle & { run(signature: number, inputs: TensorBuffer[]): TensorBuffer[] | Promise<TensorBuffer[]> }} Compiled */
/**
 * @typedef {Heap & {
 *   LiteRtEnvironment: { create(device: null): Handle },
 *   VectorInt32: new () => Vector<number>,
 *   LiteRtLayout: { create(dimensions: Vector<number>): Layout },
 *   LiteRtRankedTensorType: { create(element: object, layout: Layout): TensorType },
 *   LiteRtTensorBufferType: { HOST_MEMORY: object },
 *   LiteRtTensorBufferLockMode: { READ: object, WRITE: object },
 *   LiteRtTensorBuffer: { createManaged(environment: Handle, kind: object, type: TensorType, bytes: number): TensorBuffer },
 *   loadModel(environment: Handle, at: number, bytes: number): LiteRtModel,
 *   compileModel(environment: Handle, model: LiteRtModel, options: object): Compiled | Promise<Compiled>,
 * }} LiteRtModule
 */

/** A message of one element type for both: thumbnet's models are int8 at the edges. */
const INT8_ONLY = "the peer is given int8 models only";

/** The build of the package tfjs-tflite, last released in 2023. @returns {Promise<Peer>} */
export async function tfjsTflite() {
  const name = "@tensorflow/tfjs-tflite";
  const stem = `${name}/wasm/tflite_web_api_cc_simd`;
  return {
    name: "tfjs-tflite",
    version: versionOf(name),
    bytes: gzippedSize([`${stem}.js`, `${stem}.wasm`]),
    load: async (tflite, model) =>
      loadTfjs(/** @type {TfjsModule} */ (await instantiate(stem)), tflite, model),
  };
}

/**
 * LiteRT.js, the present one. Its plain build needs relaxed SIMD, which Node 20 has not; the package itself takes
 * the other one then.
 *
 * @returns {Promise<Peer>}
 */
export async function liteRt() {
  const name = "@litertjs/core";
  const relaxed = `${name}/wasm/litert_wasm_internal`;
  const isRelaxed = WebAssembly.validate(readFileSync(pathOf(`${relaxed}.wasm`)));
  const stem = isRelaxed ? relaxed : `${name}/wasm/litert_wasm_compat_internal`;
  return {
    name: isRelaxed ? "LiteRT.js (relaxed SIMD)" : "LiteRT.js",
    version: versionOf(name),
    bytes: gzippedSize([`${stem}.js`, `${stem}.wasm`]),
    load: async (tflite, model) =>
      loadLiteRt(/** @type {LiteRtModule} */ (await instantiate(stem)), tflite, model),
  };
}

/** @param {TfjsModule} module @param {Uint8Array} tflite @param {string} name @returns {PeerModel} */
function loadTfjs(module, tflite, name) {
  const address = copyIn(module, tflite);
  const options = { numThreads: 1, enableProfiling: false, maxProfilingBufferEntries: 1 };
  const status = module.TFLiteWebModelRunner.CreateFromBufferAndOptions(address, tflite.length, options);
  if (!status.ok()) throw new Error(`${name}: ${status.errorMessage()}`);
  const runner = status.value();
  const [input, ...others] = list(runner.GetInputs());
  const outputs = list(runner.GetOutputs());
  if (input === undefined || others.length > 0) throw new Error(`${name}: a peer runs models of one input`);
  if ([input, ...outputs].some(({ dataType }) => dataType !== "int8"))
    throw new Error(`${name}: ${INT8_ONLY}`);
  // Views of the module's memory; a memory that grows detaches them.
  let from = input.data();
  let to = outputs.map((output) => output.data());
  return {
    run(values) {
      if (from.length === 0) {
        from = input.data();
        to = outputs.map((output) => output.data());
      }
      checkLength(name, values, from.length);
      from.set(values);
      if (!runner.Infer()) throw new Error(`${name}: the inference failed`);
      return joined(to);
    },
    dispose() {
      runner.delete();
      status.delete();
      module._free(address);
    },
  };
}

/** @param {LiteRtModule} module @param {Uint8Array} tflite @param {string} name @returns {Promise<PeerModel>} */
async function loadLiteRt(module, tflite, name) {
  const environment = module.LiteRtEnvironment.create(null);
  const address = copyIn(module, tflite);
  const model = module.loadModel(environment, address, tflite.length);
  const compiled = await module.compileModel(environment, model, {
    environment: { liteRtEnvironment: environment, options: {} },
    accelerator: "wasm",
    cpuOptions: { numThreads: 1 },
    gpuOptions: {},
    webNNOptions: {},
  });
  const declared = model.getInputTensorType(0, 0);
  const dimensions = new module.VectorInt32();
  // A batch left open in the file is one.
  for (const size of list(declared.layout().dimensions())) dimensions.push_back(Math.max(1, size));
  const type = module.LiteRtRankedTensorType.create(
    declared.elementType(),
    module.LiteRtLayout.create(dimensions),
  );
  const { LiteRtTensorBuffer, LiteRtTensorBufferType, LiteRtTensorBufferLockMode } = module;
  const length = type.bytes();
  const input = LiteRtTensorBuffer.createManaged(
    environment,
    LiteRtTensorBufferType.HOST_MEMORY,
    type,
    length,
  );
  /** @param {TensorBuffer[]} outputs new ones, as every run makes them */
  const read = (outputs) => {
    const starts = outputs.map((output) => output.lock(LiteRtTensorBufferLockMode.READ));
    const { HEAPU8: heap } = module;
    const views = outputs.map((output, i) => new Int8Array(heap.buffer, starts[i], output.packedSize()));
    const result = joined(views);
    for (const output of outputs) {
      output.unlock();
      output.delete();
    }
    return result;
  };
  return {
    run(values) {
      checkLength(name, values, length);
      const at = input.lock(LiteRtTensorBufferLockMode.WRITE);
      module.HEAPU8.set(new Uint8Array(values.buffer, values.byteOffset, length), at);
      input.unlock();
      const running = compiled.run(0, [input]);
      return running instanceof Promise ? running.then(read) : read(running);
    },
    dispose() {
      for (const handle of [input, type, dimensions, declared, compiled, model, environment]) handle.delete();
      module._free(address);
    },
  };
}

/**
 * Runs a package's emscripten script as the CommonJS module that it is, whatever the package calls itself. Each
 * model gets a module of its own, as a page would have it: times were up to a third longer in a used heap.
 *
 * @param {string} stem of the script and its binary @returns {Promise<unknown>}
 */
async function instantiate(stem) {
  const path = pathOf(`${stem}.js`);
  const parameters = ["module", "exports", "require", "__filename", "__dirname"];
  const run = compileFunction(readFileSync(path, "utf8"), parameters, { filename: path });
  /** @type {{ exports: any }} */
  const module = { exports: {} };
  run(module, module.exports, createRequire(path), path, dirname(path));
  const quiet = () => {};
  return module.exports({ wasmBinary: readFileSync(pathOf(`${stem}.wasm`)), print: quiet, printErr: quiet });
}

/** @param {Heap} module @param {Uint8Array} bytes @returns {number} their address */
function copyIn(module, bytes) {
  const address = module._malloc(bytes.length);
  module.HEAPU8.set(bytes, address);
  return address;
}

/** @template T @param {Vector<T>} vector @returns {T[]} */
function list(vector) {
  const items = Array.from({ length: vector.size() }, (_, i) => vector.get(i));
  vector.delete();
  return items;
}

/** @param {string} name of the package @returns {string} */
function versionOf(name) {
  return JSON.parse(readFileSync(pathOf(`${name}/package.json`), "utf8")).version;
}
