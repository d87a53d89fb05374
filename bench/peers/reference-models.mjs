// @ts-check
/** The reference models with inputs and what the Cortex-M0 kernels make of them, from a folder beside the project. */
import { readFileSync } from "node:fs";
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

const MODELS = [
  { model: "vww_96_int8", inputBytes: 96 * 96 * 3, real: pictures("vww01"), random: "vww_rand.bin" },
  { model: "kws_ref_model", inputBytes: 49 * 10, real: folder("kws01"), random: "kws_rand.bin" },
  { model: "pretrainedResnet_quant", inputBytes: 32 * 32 * 3, real: pictures("ic01"), random: "ic_rand.bin" },
  {
    model: "ad01_int8",
    inputBytes: 640,
    real: () => readInt8("golden/inputs/ad.bin"),
    random: "ad_rand.bin",
  },
  { model: "str_ww_ref_model", inputBytes: 30 * 40, real: null, random: "sww_rand.bin" },
];

/** @returns {Suite[]} each model with real inputs, where there are any, and with random ones */
export function referenceSuites() {
  return MODELS.flatMap(({ model, inputBytes, real, random }) => {
    const file = `${model}.tflite`;
    const tflite = readFileSync(join(root(), "models/mlperf-tiny", file));
    /** @param {string} name @param {Int8Array} all */
    const suite = (name, all) => {
      const inputs = split(all, all.length / inputBytes);
      return {
        name,
        model: file,
        tflite,
        inputs,
        outputs: split(readInt8(`golden/${name}.bin`), inputs.length),
      };
    };
    const randomSuite = suite(`${model}_rand`, readInt8(`golden/inputs/${random}`));
    return real === null ? [randomSuite] : [suite(model, real()), randomSuite];
  });
}

/** First argument of the command line, or THUMBNET_SHARED, or the folder `shared` beside the project. */
function root() {
  const beside = fileURLToPath(new URL("../../../shared", import.meta.url));
  return process.argv[2] ?? process.env.THUMBNET_SHARED ?? beside;
}

/** @param {string} path */
function readInt8(path) {
  return Int8Array.from(readFileSync(join(root(), path)));
}

/** Inputs in the order of the folder's list. @param {string} name @returns {() => Int8Array} */
function folder(name) {
  return () => {
    const rows = readFileSync(join(root(), "data", name, "y_labels.csv"), "utf8")
      .trim()
      .split("\n");
    const files = rows.map((row) => readFileSync(join(root(), "data", name, row.split(",")[0] ?? "")));
    return Int8Array.from(Buffer.concat(files));
  };
}

/** uint8 pictures as int8. @param {string} name @returns {() => Int8Array} */
function pictures(name) {
  return () => folder(name)().map((byte) => byte ^ 0x80);
}

/** @param {Int8Array} all @param {number} count */
function split(all, count) {
  const size = all.length / count;
  if (!Number.isInteger(size) || !Number.isInteger(count))
    throw new Error(`${all.length} bytes are not ${count} equal parts`);
  return Array.from({ length: count }, (_, i) => all.subarray(i * size, (i + 1) * size));
}
