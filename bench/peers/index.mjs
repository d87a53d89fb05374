// @ts-check
/**
 * Competitors of thumbnet's runtime, behind one interface.
 *
 * @typedef {object} PeerModel
 * @property {(input: Int8Array) => Promise<Int8Array> | Int8Array} run
 *   One inference: the model's input, NHWC as in the .tflite, to its outputs, one after the other. What a
 *   caller pays is inside: conversion of both, and the peer's own copies.
 * @property {() => Promise<void> | void} dispose
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} version
 * @property {number | null} bytes gzipped script and WebAssembly that a page must load; null: not for pages
 * @property {(tflite: Uint8Array, name: string) => Promise<PeerModel>} load
 *   `name` is for messages. Rejects when the peer cannot run the model, saying why.
 */
import { hasReference, referencePaths, referenceRoot, suitesOf } from "./reference-models.mjs";

const PEERS = {
  "onnxruntime-web": async () => (await import("./onnxruntime.mjs")).onnxruntimeWeb(),
  "LiteRT.js": async () => (await import("./tensorflow-lite.mjs")).liteRt(),
  "tfjs-tflite": async () => (await import("./tensorflow-lite.mjs")).tfjsTflite(),
  "onnxruntime-node": async () => (await import("./onnxruntime.mjs")).onnxruntimeNode(),
};

/**
 * The peers that can be loaded here.
 *
 * @param {(name: string, reason: string) => void} [onMissing] told about each that cannot, and why; by default
 *   a line on standard error
 * @returns {Promise<Peer[]>}
 */
export async function peers(onMissing = (name, reason) => console.error(`${name} is left out: ${reason}`)) {
  const found = [];
  for (const [name, create] of Object.entries(PEERS)) {
    try {
      found.push(await create());
    } catch (error) {
      onMissing(name, error instanceof Error ? error.message : String(error));
    }
  }
  return found;
}

/** Paths of the reference models; none where they do not lie beside the project (or in THUMBNET_SHARED). */
export function referenceModels() {
  const root = referenceRoot();
  return hasReference(root) ? referencePaths(root) : [];
}

/**
 * Inputs of a reference model with the Cortex-M0 kernels' outputs; none for any other model.
 *
 * @param {Uint8Array} tflite
 * @returns {{ inputs: Int8Array[], outputs: Int8Array[] }[]}
 */
export function goldens(tflite) {
  const root = referenceRoot();
  return hasReference(root) ? suitesOf(root, tflite) : [];
}
