import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { readImage } from "../plan/image.ts";
import { exitCosts } from "../report/exits.ts";
import { type OperatorSummary, type PortSummary, summarize, totalCost } from "../report/summary.ts";

/** A model file and, where it is no image, the cost of its operators. */
export interface BenchModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly inputs: readonly PortSummary[];
  readonly operators: readonly OperatorSummary[];
  readonly macs: number | null;
  /** By early exit: MACs up to it. */
  readonly exitMacs: readonly (number | null)[];
}

/** The models of the repository. @throws ThumbnetError where there are none */
export async function defaultModels(): Promise<string[]> {
  const folder = fileURLToPath(new URL("../../models", import.meta.url));
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  // Float networks, which are trained and quantised but do not run, are in folders of that name.
  const models = files
    .filter((file) => file.endsWith(".tflite") && basename(dirname(file)) !== "float")
    .sort();
  if (models.length === 0)
    throw new ThumbnetError("name a MODEL: this installation has no models of its own");
  return models.map((file) => join(folder, file));
}

/** @throws ThumbnetError when the file cannot be read or the model cannot run */
export async function openBenchModel(path: string): Promise<BenchModel> {
  const bytes = await readWhole(path);
  const { inputs, operators, image, problem } = summarize(bytes, basename(path));
  if (problem) throw problem;
  const ends = exitCosts(readImage(image!), operators);
  const exitMacs = ends.slice(0, -1).map(({ macs }) => macs);
  return { name: basename(path), bytes, inputs, operators, macs: totalCost(operators, "macs"), exitMacs };
}
