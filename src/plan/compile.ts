import { checkInt8 } from "../graph/check.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import type { Graph } from "../graph/graph.ts";
import { foldConstantChannels } from "../graph/rewrites/constant-channels.ts";
import { readTflite } from "../tflite/read.ts";
import { encodeImage } from "./encode.ts";
import { type Plan, planGraph } from "./plan.ts";

export interface CompileOptions {
  /** Fold channels that hold the same value whatever the input is; default true. No output changes by a bit. */
  readonly optimize?: boolean;
}

/** The plan of a graph. @throws ThumbnetError when the graph cannot run in int8 */
export function compilePlan(graph: Graph, { optimize = true }: CompileOptions = {}): Plan {
  checkInt8(graph);
  if (!optimize) return planGraph(graph);
  const folded = foldConstantChannels(graph);
  return planGraph(folded.graph, folded.expansions);
}

/** The image of a graph. @throws ThumbnetError when the graph cannot run in int8 */
export function compileGraph(graph: Graph, options: CompileOptions = {}): Uint8Array {
  return encodeImage(compilePlan(graph, options));
}

/** The image of a `.tflite` file. @throws ThumbnetError when it is damaged or holds what is not supported */
export function compileTflite(bytes: Uint8Array, name: string, options: CompileOptions = {}): Uint8Array {
  return compileGraph(graphFromTflite(readTflite(bytes, name), name), options);
}
