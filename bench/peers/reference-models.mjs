// @ts-check
/** The reference models with inputs and what the Cortex-M0 kernels make of them, from a folder beside the project. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Suite
 * @property {string} name
 * @property {string} model file name of the .tflite
 * @property {Uint8Array} tflite
 * @property {Int8Array[]} inputs
 * @property {Int8Array[]} outputs the exact one of each input
 */

/** @type {{ model: string, inputBytes: number, real: ((root: string) => Int8Array) | null, random: string }[]} */
const MODELS = [
  { model: "vww_96_int8", inputBytes: 96 * 96 * 3, real: pictures("vww01"), random: "vww_rand.bin" },
  { model: "kws_ref_model", inputBytes: 49 * 10, real: folder("kws01"), random: "kws_rand.bin" },
  { model: "pretrainedResnet_quant", inputBytes: 32 * 32 * 3, real: pictures("ic01"), random: "ic_rand.bin" },
  {
    model: "ad01_int8",
    inputBytes: 640,
    real: (root) => readInt8(root, "golden/inputs/ad.bin"),
    random: "ad_rand.bin",
  },
  { model: "str_ww_ref_model", inputBytes: 30 * 40, real: null, random: "sww_rand.bin" },
];

/**
 * @param {string | undefined} folder default: THUMBNET_SHARED, or the folder `shared` beside the project
 * @returns {string}
 */
export function referenceRoot(folder = process.env.THUMBNET_SHARED) {
  return folder ?? fileURLToPath(new URL("../../../shared", import.meta.url));
}

/** Whether the models and what belongs to them are there. @param {string} root */
export function hasReference(root) {
  return existsSync(join(root, "golden"));
}

/** @param {string} root @returns {string[]} */
export function referencePaths(root) {
  return MODELS.map(({ model }) => join(root, "models/mlperf-tiny", `${model}.tflite`));
}

/** @param {string} root @returns {Suite[]} each model with real inputs, where there are any, and with random ones */
export function referenceSuites(root) {
  return referencePaths(root).flatMap((path, i) => suites(root, path, i));
}

/** @param {string} root @param {string} path @param {number} index of the model @returns {Suite[]} */
function suites(root, path, index) {
  const entry = MODELS[index];
  if (entry === undefined) throw new Error(`no reference model ${index}`);
  const { model, inputBytes, real, random } = entry;
  const tflite = readFileSync(path);
  /** @param {string} name @param {Int8Array} all */
  const suite = (name, all) => {
    const inputs = split(all, all.length / inputBytes);
    const outputs = split(readInt8(root, `golden/${name}.bin`), inputs.length);
    return { name, model: `${model}.tflite`, tflite, inputs, outputs };
  };
  const randomSuite = suite(`${model}_rand`, readInt8(root, `golden/inputs/${random}`));
  return real === null ? [randomSuite] : [suite(model, real(root)), randomSuite];
}

/** The suites of one model, known by its content. @param {string} root @param {Uint8Array} tflite @returns {Suite[]} */
export function suitesOf(root, tflite) {
  const paths = referencePaths(root);
  const index = paths.findIndex((path) => readFileSync(path).equals(tflite));
  return index < 0 ? [] : suites(root, paths[index] ?? "", index);
}

/** @param {string} root @param {string} path */
function readInt8(root, path) {
  return Int8Array.from(readFileSync(join(root, path)));
}

/** Inputs in the order of the folder's list. @param {string} name @returns {(root: string) => Int8Array} */
function folder(name) {
  return (root) => {
    const rows = readFileSync(join(root, "data", name, "y_labels.csv"), "utf8")
      .trim()
      .split("\n");
    const files = rows.map((row) => readFileSync(join(root, "data", name, row.split(",")[0] ?? "")));
    return Int8Array.from(Buffer.concat(files));
  };
}

/** uint8 pictures as int8. @param {string} name @returns {(root: string) => Int8Array} */
function pictures(name) {
  return (root) => folder(name)(root).map((byte) => byte ^ 0x80);
}

/** @param {Int8Array} all @param {number} count */
function split(all, count) {
  const size = all.length / count;
  if (!Number.isInteger(size) || !Number.isInteger(count))
    throw new Error(`${all.length} bytes are not ${count} equal parts`);
  return Array.from({ length: count }, (_, i) => all.subarray(i * size, (i + 1) * size));
}
