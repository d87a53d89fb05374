// @ts-check
/**
 * ONNX Runtime as a peer: its WebAssembly build (one thread, SIMD) and its native one for Node (one thread).
 * Both run the model that `onnxFromGraph` makes of the .tflite, with all graph optimisations.
 */
import { graphFromTflite } from "../../dist/graph/from-tflite.js";
import { readTflite } from "../../dist/tflite/index.js";
import { checkLength, gzippedSize, joined } from "./support.mjs";
import { onnxFromGraph } from "./to-onnx.mjs";

/** @import { Env, InferenceSessionFactory, TensorConstructor } from "onnxruntime-common" */
/** @import { Graph } from "../../src/graph/graph.ts" */
/** @import { Peer, PeerModel } from "./index.mjs" */

/** @typedef {{ InferenceSession: InferenceSessionFactory, Tensor: TensorConstructor, env: Env }} OnnxRuntime */

/** What a page loads to run a model: the script with its glue, and the one binary that the script asks for. */
const WEB_FILES = ["onnxruntime-web/wasm", "onnxruntime-web/ort-wasm-simd-threaded.wasm"];

/** @returns {Promise<Peer>} */
export async function onnxruntimeWeb() {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = 1;
  return {
    name: "onnxruntime-web",
    version: ort.env.versions.web ?? "",
    bytes: gzippedSize(WEB_FILES),
    load: (tflite, name) => load(ort, "wasm", tflite, name),
  };
}

/** @returns {Promise<Peer>} */
export async function onnxruntimeNode() {
  const { default: ort } = await import("onnxruntime-node");
  return {
    name: "onnxruntime-node",
    version: ort.env.versions.node ?? "",
    bytes: null,
    load: (tflite, name) => load(ort, "cpu", tflite, name),
  };
}

/**
 * @param {OnnxRuntime} ort @param {"wasm" | "cpu"} provider
 * @param {Uint8Array} tflite @param {string} name
 * @returns {Promise<PeerModel>}
 */
async function load(ort, provider, tflite, name) {
  const graph = graphFromTflite(readTflite(tflite, name), name);
  const [input, ...others] = graph.inputs.map((index) => graph.tensors[index]);
  if (input === undefined || others.length > 0) {
    throw new Error(`${name}: ${graph.inputs.length} inputs; a peer runs models of one`);
  }
  const session = await ort.InferenceSession.create(onnxFromGraph(graph), {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const length = input.shape.reduce((product, size) => product * size, 1);
  const words = new Uint32Array(Math.ceil(length / 4));
  const bytes = new Uint8Array(words.buffer, 0, length);
  const feeds = { [session.inputNames[0] ?? ""]: new ort.Tensor("uint8", bytes, input.shape) };
  const flips = outputFlips(graph);

  return {
    async run(values) {
      checkLength(name, values, length);
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, length));
      if (input.dtype === "int8") addHalf(words);
      const results = await session.run(feeds);
      const outputs = session.outputNames.map((output, i) =>
        signed(results[output]?.data, flips[i] ?? false),
      );
      return outputs.length === 1 && outputs[0] !== undefined ? outputs[0] : joined(outputs);
    },
    dispose: () => session.release(),
  };
}

/** @param {Graph} graph @returns {boolean[]} of each output, whether int8 is stored as uint8 = int8 + 128 */
function outputFlips(graph) {
  return graph.outputs.map((index) => graph.tensors[index]?.dtype === "int8");
}

/** Adds 128 to every byte, or takes it away: the same thing. Four at once. @param {Uint32Array} words */
function addHalf(words) {
  for (let i = 0; i < words.length; i++) words[i] = /** @type {number} */ (words[i]) ^ 0x80808080;
}

/**
 * The bytes of a result, which belong to the caller, as int8 in place.
 * @param {unknown} data @param {boolean} flip
 */
function signed(data, flip) {
  if (!(data instanceof Uint8Array)) throw new Error("ONNX Runtime returned no uint8 tensor");
  if (flip) for (let i = 0; i < data.length; i++) data[i] = /** @type {number} */ (data[i]) ^ 0x80;
  return new Int8Array(data.buffer, data.byteOffset, data.length);
}
