import { checkInt8 } from "../graph/check.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import type { Graph } from "../graph/graph.ts";
import { readTflite } from "../tflite/read.ts";
import { encodeImage } from "./encode.ts";
import { planGraph } from "./plan.ts";

/** The image of a graph. @throws ThumbnetError when the graph cannot run in int8 */
export function compileGraph(graph: Graph): Uint8Array {
  checkInt8(graph);
  return encodeImage(planGraph(graph));
}

/** The image of a `.tflite` file. @throws ThumbnetError when it is damaged or holds what is not supported */
export function compileTflite(bytes: Uint8Array, name: string): Uint8Array {
  return compileGraph(graphFromTflite(readTflite(bytes, name), name));
}
