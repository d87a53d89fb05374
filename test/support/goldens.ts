import { existsSync, readFileSync } from "node:fs";
import { readShared, sharedPath } from "./shared.ts";

/** A reference model with inputs and what the real C kernels gave for them. */
export interface Golden {
  readonly name: string;
  readonly model: Uint8Array;
  /** int8, one input after the other. */
  readonly inputs: Int8Array;
  readonly outputs: Int8Array;
  /** What enters SOFTMAX, where the model ends with one. */
  readonly logits: Int8Array | null;
  /** For each input the CRC-32 over the outputs of all operators, one after the other. */
  readonly crcs: Uint32Array;
  /** For the first inputs: what each operator made. */
  readonly layers: readonly GoldenLayers[];
}

export interface GoldenLayers {
  readonly input: number;
  readonly input_crc32: string;
  readonly layers: readonly {
    readonly op: number;
    readonly kind: string;
    readonly bytes: number;
    readonly crc32: string;
  }[];
}

/** Inputs of a data folder, in the order of its `y_labels.csv`; `flip` turns uint8 into int8 (minus 128). */
function folder(name: string, flip: boolean): Int8Array {
  const lines = readFileSync(sharedPath("data", name, "y_labels.csv"), "utf8")
    .trim()
    .split("\n");
  const files = lines.map((line) => readShared("data", name, line.split(",")[0]!));
  const all = Buffer.concat(files);
  return Int8Array.from(all, (byte) => (flip ? byte - 128 : (byte << 24) >> 24));
}

function raw(name: string): Int8Array {
  return new Int8Array(readShared("golden", "inputs", name).buffer);
}

const SETS: Readonly<Record<string, { model: string; inputs: () => Int8Array }>> = {
  kws_ref_model: { model: "kws_ref_model", inputs: () => folder("kws01", false) },
  vww_96_int8: { model: "vww_96_int8", inputs: () => folder("vww01", true) },
  pretrainedResnet_quant: { model: "pretrainedResnet_quant", inputs: () => folder("ic01", true) },
  ad01_int8: { model: "ad01_int8", inputs: () => raw("ad.bin") },
  kws_ref_model_rand: { model: "kws_ref_model", inputs: () => raw("kws_rand.bin") },
  vww_96_int8_rand: { model: "vww_96_int8", inputs: () => raw("vww_rand.bin") },
  pretrainedResnet_quant_rand: { model: "pretrainedResnet_quant", inputs: () => raw("ic_rand.bin") },
  ad01_int8_rand: { model: "ad01_int8", inputs: () => raw("ad_rand.bin") },
  str_ww_ref_model_rand: { model: "str_ww_ref_model", inputs: () => raw("sww_rand.bin") },
};

export const GOLDEN_NAMES = Object.keys(SETS);

export function loadGolden(name: string): Golden {
  const { model, inputs } = SETS[name]!;
  const logits = `${name}.logits.bin`;
  return {
    name,
    model: readShared("models", "mlperf-tiny", `${model}.tflite`),
    inputs: inputs(),
    outputs: new Int8Array(readShared("golden", `${name}.bin`).buffer),
    logits: existsSync(sharedPath("golden", logits))
      ? new Int8Array(readShared("golden", logits).buffer)
      : null,
    crcs: new Uint32Array(readShared("golden", `${name}.crc.bin`).buffer),
    layers: JSON.parse(readFileSync(sharedPath("golden", `${name}.layers.json`), "utf8")),
  };
}
