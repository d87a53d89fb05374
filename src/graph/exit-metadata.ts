/**
 * The exits of a graph in its `.tflite` file: a metadata entry `thumbnet.exits` whose buffer holds, as UTF-8,
 *
 *   {"version":1,"exits":[{"tensor":"exit0","criterion":"top","thresholds":[0.9]}]}
 *
 * in the order in which they are decided. `tensor` is the name of an output. Other runtimes see an ordinary network of
 * several outputs, the final one first.
 */
import { ThumbnetError } from "../errors.ts";
import type { TfliteModel } from "../tflite/schema.ts";
import { quoted } from "./check/problems.ts";
import { EXIT_CRITERIA, type Exit, type ExitCriterion, type Graph } from "./graph.ts";

/** The entry's name. */
export const EXITS_METADATA = "thumbnet.exits";

const VERSION = 1;

/**
 * The exits that a file's metadata name; undefined where it has none.
 *
 * @throws ThumbnetError where the entry is malformed, of another version, or names no output
 */
export function exitsFromMetadata(
  model: TfliteModel,
  graph: Pick<Graph, "name" | "tensors" | "outputs">,
): Exit[] | undefined {
  const entries = (model.metadata ?? []).filter(({ name }) => name === EXITS_METADATA);
  if (entries.length === 0) return undefined;
  const fail = (problem: string): never => {
    throw new ThumbnetError(`${graph.name}: the metadata "${EXITS_METADATA}" ${problem}`);
  };
  if (entries.length > 1) fail(`is there ${entries.length} times; supported: once`);
  const data = model.buffers?.[entries[0]!.buffer]?.data;
  if (!data) return fail(`names buffer ${entries[0]!.buffer}, which has no content`);
  const content = parsed(data) ?? fail("is no JSON object");
  if (content.version !== VERSION) {
    fail(`has the version ${show(content.version)}; supported: ${VERSION}`);
  }
  if (!Array.isArray(content.exits)) return fail(`has the exits ${show(content.exits)}; supported: a list`);
  return content.exits.map((exit: unknown, i) => {
    const wrong = (what: string, found: unknown, supported: string) =>
      fail(`has for exit ${i} the ${what} ${show(found)}; supported: ${supported}`);
    if (!isObject(exit)) return fail(`has as exit ${i} ${show(exit)}; supported: an object`);
    const { tensor: name, criterion, thresholds } = exit;
    const named = graph.outputs.filter((t) => graph.tensors[t]?.name === name);
    if (named.length !== 1) {
      const outputs = graph.outputs.map((t) => quoted(graph.tensors[t]?.name ?? "")).join(", ");
      const found =
        named.length > 1 ? `, which is the name of ${named.length} outputs` : ", which is no output";
      return fail(`has for exit ${i} the tensor ${show(name)}${found}; the outputs are ${outputs}`);
    }
    if (!EXIT_CRITERIA.includes(criterion as ExitCriterion)) {
      return wrong("criterion", criterion, EXIT_CRITERIA.join(", "));
    }
    if (!Array.isArray(thresholds) || !thresholds.every((value) => typeof value === "number")) {
      return wrong("thresholds", thresholds, "a list of numbers");
    }
    return { tensor: named[0]!, criterion: criterion as ExitCriterion, thresholds };
  });
}

/**
 * The metadata's content; null for a graph without exits.
 *
 * @throws ThumbnetError where an exit has no name of its own among the outputs
 */
export function exitMetadata({ name, tensors, outputs, exits }: Graph): Uint8Array | null {
  if (!exits?.length) return null;
  const described = exits.map(({ tensor, criterion, thresholds }) => {
    const own = tensors[tensor]!.name;
    const sharing = outputs.filter((t) => tensors[t]!.name === own).length;
    if (own === "" || sharing > 1) {
      throw new ThumbnetError(
        `${name}: ${sharing} outputs have the name ${quoted(own)} of an exit; supported: a name of its own`,
      );
    }
    return { tensor: own, criterion, thresholds };
  });
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, exits: described }));
}

function parsed(data: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return quoted(typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined"));
}
