import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { type OperatorSummary, summarize, totalCost } from "../report/summary.ts";
import { storedType, type TensorInfo } from "../runtime/tensors.ts";

/** WebAssembly starts in a quick build and is optimised while it runs; that takes a while. */
export const WARM_UP_MS = 500;

/** A model file and, where it is no image, the cost of its operators. */
export interface BenchModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly operators: readonly OperatorSummary[];
  readonly macs: number | null;
}

/** Random contents for an input; the same seed always gives the same. */
export function randomInput(info: TensorInfo, seed: number): Int8Array | Uint8Array {
  // xorshift32: any state but 0.
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1;
  const bytes = Uint8Array.from({ length: info.elements }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 11;
  });
  return storedType(info) === "uint8" ? bytes : new Int8Array(bytes.buffer);
}

/** The models of the repository. @throws ThumbnetError where there are none */
export async function defaultModels(): Promise<string[]> {
  const folder = fileURLToPath(new URL("../../models", import.meta.url));
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  const models = files.filter((file) => file.endsWith(".tflite")).sort();
  if (models.length === 0)
    throw new ThumbnetError("name a MODEL: this installation has no models of its own");
  return models.map((file) => join(folder, file));
}

/** @throws ThumbnetError when the file cannot be read or the model cannot run */
export async function openBenchModel(path: string): Promise<BenchModel> {
  const bytes = await readWhole(path);
  const { operators, problem } = summarize(bytes, basename(path));
  if (problem) throw problem;
  return { name: basename(path), bytes, operators, macs: totalCost(operators, "macs") };
}
