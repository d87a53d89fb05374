import { ThumbnetError } from "../errors.ts";
import { checkGraph } from "../graph/check/structure.ts";
import { checkOperators } from "../graph/check.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import type { Graph } from "../graph/graph.ts";
import { foldConstantChannels } from "../graph/rewrites/constant-channels.ts";
import { readTflite } from "../tflite/read.ts";
import { encodeImage, encodeUnsealed } from "./encode.ts";
import { planForChip } from "./for-chip.ts";
import { type Image, isImage, readContent } from "./image.ts";
import { OPTIMIZE, type Optimize, type Plan, planGraph } from "./plan.ts";

export interface CompileOptions {
  /** Fold channels that hold the same value whatever the input is; default true. No output changes by a bit. */
  readonly foldConstants?: boolean;
  /** What the plan is for; default `speed`. No output changes by a bit. */
  readonly optimize?: Optimize;
  /**
   * `chip` (default): planning also looks for what pays on a microcontroller. `wasm`: it is left out, so that loading
   * is faster; the image runs everywhere all the same.
   */
  readonly target?: "chip" | "wasm";
}

/** The plan of a graph. @throws ThumbnetError when the graph cannot run in int8 */
export function compilePlan(graph: Graph, options: CompileOptions = {}): Plan {
  checkGraph(graph);
  return planOf(graph, options);
}

/** Of a sound graph. */
function planOf(graph: Graph, options: CompileOptions): Plan {
  const { foldConstants = true, optimize = "speed", target = "chip" } = options;
  if (!OPTIMIZE.includes(optimize)) {
    throw new ThumbnetError(`optimize is "${String(optimize)}"; there are ${OPTIMIZE.join(", ")}`);
  }
  checkOperators(graph);
  const folded = foldConstants ? foldConstantChannels(graph) : { graph, expansions: new Map() };
  const plan = planGraph(folded.graph, folded.expansions, optimize);
  return target === "chip" ? planForChip(plan) : plan;
}

/** The image of a graph. @throws ThumbnetError when the graph cannot run in int8 */
export function compileGraph(graph: Graph, options: CompileOptions = {}): Uint8Array {
  return encodeImage(compilePlan(graph, options));
}

/**
 * What the image of a `.tflite` file says of itself, with bytes to be run here: they have no CRC-32.
 *
 * @throws ThumbnetError when the file is damaged or holds what is not supported
 */
export function prepareTflite(bytes: Uint8Array, name: string, options: CompileOptions): Image {
  const graph = graphFromTflite(readTflite(bytes, name), name);
  return readContent(encodeUnsealed(planOf(graph, options)), name);
}

/** The image of a `.tflite` file. @throws ThumbnetError when it is damaged or holds what is not supported */
export function compileTflite(bytes: Uint8Array, name: string, options: CompileOptions = {}): Uint8Array {
  return encodeImage(planOf(graphFromTflite(readTflite(bytes, name), name), options));
}

/**
 * The image of a model: of a `.tflite` file, or the model itself where it is one, which keeps its plan.
 *
 * @throws ThumbnetError as `compileTflite`
 */
export function imageOf(model: Uint8Array, name: string, options: CompileOptions = {}): Uint8Array {
  return isImage(model) ? model : compileTflite(model, name, options);
}
