/** Float networks from files. */
import { basename } from "node:path";
import { readWhole } from "../data/files.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import { readTflite } from "../tflite/read.ts";
import { isCheckpoint, readNetwork, type TrainedNetwork } from "./checkpoint.ts";
import { networkFromGraph } from "./import-tflite.ts";

/**
 * A network that `train` left, or a float `.tflite` file, which names no classes.
 *
 * @throws ThumbnetError when the file is neither, or has operators that cannot be trained
 */
export async function openNetwork(path: string): Promise<Omit<TrainedNetwork, "origin">> {
  const bytes = await readWhole(path);
  if (isCheckpoint(bytes)) return readNetwork(path);
  const name = basename(path);
  return { ...networkFromGraph(graphFromTflite(readTflite(bytes, name), name)), classes: [] };
}
