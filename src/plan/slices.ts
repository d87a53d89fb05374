/**
 * Runs a chain of operators in slices of rows: each operator of the chain makes the rows that the next one needs for
 * its share of the last one's output, so that of the maps between them only some rows exist at a time. Rows that the
 * next slice needs again are moved to the start of their line buffer instead of being computed again: a chain costs
 * no multiplication more than its operators one after the other.
 *
 * That whole maps need not exist is the idea of partial execution: Liberis and Lane, "Pex: Memory-efficient
 * Microcontroller Deep Learning through Partial Execution", arXiv 2211.17246.
 */
import type { Graph } from "../graph/graph.ts";
import type { KernelCall } from "./kernel-call.ts";
import { allows, inputsOf, overlapOf } from "./overlap.ts";
import type { LineBuffer, SlicedChain } from "./schedule.ts";
import { cutCall, inputEnd, type Stage, stageOf, windowStart } from "./stage.ts";

/** The tensors that are needed whole: outputs of the graph, and what several operators or none read. */
export type Readers = readonly (readonly number[])[];

/** By tensor: the operators that read it, in order. */
export function readersOf(graph: Graph): Readers {
  const readers = graph.tensors.map(() => [] as number[]);
  graph.operators.forEach((op, operator) => {
    for (const tensor of new Set(op.inputs)) if (tensor >= 0) readers[tensor]!.push(operator);
  });
  return readers;
}

/**
 * The operators [first, last] as stages of a chain; null where one cannot run on rows, or a tensor between two is
 * read by others or is an output.
 */
export function chainStages(
  graph: Graph,
  calls: readonly (readonly KernelCall[])[],
  readers: Readers,
  first: number,
  last: number,
): Stage[] | null {
  const stages: Stage[] = [];
  for (let operator = first; operator <= last; operator++) {
    const before = stages.at(-1);
    const input = before?.output ?? graph.operators[operator]!.inputs[0]!;
    if (before && (readers[input]!.join() !== `${operator}` || graph.outputs.includes(input))) return null;
    const stage = stageOf(graph, operator, calls[operator]!, input);
    if (!stage || graph.tensors[input]!.data) return null;
    // The second operand must be whole before the chain begins.
    if (stage.other !== null && stages.some(({ output }) => output === stage.other)) return null;
    stages.push(stage);
  }
  return stages;
}

/** For each tensor between two stages, in each slice: rows [base, end) are in the line; those from `start` are new. */
interface Rows {
  readonly base: number;
  readonly start: number;
  readonly end: number;
}

/**
 * A chain in slices of `rows` rows of its last output.
 *
 * @returns null where a slice would have a call without input rows
 */
export function sliceChain(stages: readonly Stage[], rows: number): SlicedChain | null {
  const count = Math.ceil(stages.at(-1)!.outputHeight / rows);
  const made = rowsOfSlices(stages, rows, count);
  const lines = assignLines(stages, made, count);
  const steps: { operator: number; call: KernelCall }[] = [];
  let movedBytes = 0;
  for (let s = 0; s < count; s++) {
    for (const [k, stage] of stages.entries()) {
      const move = moveCall(stages, made, k, s);
      if (move) {
        steps.push({ operator: stages[k + 1]!.operator, call: move });
        movedBytes += move.values.rows * move.values.rowBytes;
      }
      if (made[k]![s]!.start === made[k]![s]!.end) continue;
      const call = sliceCall(stages, made, k, s);
      if (!call) return null;
      steps.push({ operator: stage.operator, call });
    }
  }
  const [first, last] = [stages[0]!.operator, stages.at(-1)!.operator];
  return { first, last, rows, slices: count, lines, movedBytes, steps };
}

/** By stage and slice: the rows of its output. The last one's lie in the whole output, so that its base is 0. */
function rowsOfSlices(stages: readonly Stage[], rows: number, count: number): Rows[][] {
  const made: Rows[][] = stages.map(() => []);
  for (let s = 0; s < count; s++) {
    let needed = Math.min((s + 1) * rows, stages.at(-1)!.outputHeight);
    for (let k = stages.length - 1; k >= 0; k--) {
      const done = made[k]![s - 1]?.end ?? 0;
      const next = stages[k + 1];
      const base = next ? windowStart(next, made[k + 1]![s - 1]?.end ?? 0) : 0;
      const end = Math.max(done, needed);
      made[k]!.push({ base, start: Math.min(end, Math.max(done, base)), end });
      needed = inputEnd(stages[k]!, end);
    }
  }
  return made;
}

/** Moves the rows that the stage after `k` needs again to the start of their line; null where there are none. */
function moveCall(stages: readonly Stage[], made: readonly Rows[][], k: number, s: number) {
  const [before, now] = [made[k]![s - 1], made[k]![s]!];
  if (!before || k === stages.length - 1) return null;
  const first = Math.max(0, now.base);
  const shift = now.base - before.base;
  if (shift === 0 || first >= before.end) return null;
  const { output: tensor, outputRow } = stages[k]!;
  const at = (base: number) => ({ tensor, byteOffset: (first - base) * outputRow });
  const values = { rows: before.end - first, rowBytes: outputRow, outputStride: outputRow };
  return { kernel: "copy_s8" as const, values: { input: at(before.base), output: at(now.base), ...values } };
}

function sliceCall(
  stages: readonly Stage[],
  made: readonly Rows[][],
  k: number,
  s: number,
): KernelCall | null {
  const stage = stages[k]!;
  const { base, start, end } = made[k]![s]!;
  const top = windowStart(stage, start);
  const inputTop = Math.max(0, top);
  const inputRows = inputEnd(stage, end) - inputTop;
  if (inputRows <= 0) return null;
  const inputBase = k === 0 ? 0 : made[k - 1]![s]!.base;
  return cutCall(stage, {
    input: { tensor: stage.input, byteOffset: (inputTop - inputBase) * stage.inputRow },
    output: { tensor: stage.output, byteOffset: (start - base) * stage.outputRow },
    other: stage.other === null ? null : { tensor: stage.other, byteOffset: start * stage.outputRow },
    inputRows,
    outputRows: end - start,
    padTop: inputTop - top,
  });
}

/**
 * A line for each tensor between two stages; the rows of a stage that leaves its input's bytes free, of which none is
 * needed by a later slice, go into the line that it reads from. Only there rows of padding have their place in front
 * of the first rows, so that outputs lie on inputs in the first slice as in the others: elsewhere `made` does without.
 */
function assignLines(stages: readonly Stage[], made: Rows[][], count: number): LineBuffer[] {
  const lines: { tensors: number[]; bytes: number; root: number }[] = [];
  for (let k = 0; k < stages.length - 1; k++) {
    const { output, outputRow } = stages[k]!;
    const bytes = lineBytes(made[k]!, outputRow);
    const line = lines.at(-1);
    if (line && fitsLine(stages, made, k, line.root, count)) {
      line.tensors.push(output);
      line.bytes = Math.max(line.bytes, bytes);
    } else {
      lines.push({ tensors: [output], bytes, root: k });
    }
  }
  return lines.map(({ tensors, bytes, root }) => {
    if (tensors.length > 1) return { tensors, bytes };
    made[root] = made[root]!.map((rows) => ({ ...rows, base: Math.max(0, rows.base) }));
    return { tensors, bytes: lineBytes(made[root], stages[root]!.outputRow) };
  });
}

function lineBytes(rows: readonly Rows[], rowBytes: number): number {
  return Math.max(...rows.map(({ base, end }) => (end - base) * rowBytes));
}

/** Whether the output rows of stage `k` may be written over those of its input, which lie in the line of `root`. */
function fitsLine(
  stages: readonly Stage[],
  made: readonly Rows[][],
  k: number,
  root: number,
  count: number,
): boolean {
  for (let s = 0; s < count; s++) {
    const { base, start, end } = made[k]![s]!;
    const next = made[k]![s + 1];
    // Every row must be used up within its slice.
    if (next && Math.max(0, next.base) < end) return false;
    if (start === end) continue;
    const { base: rootBase, end: rootEnd } = made[root]![s]!;
    const nextRoot = made[root]![s + 1];
    const kept = nextRoot ? Math.max(0, nextRoot.base) : rootEnd;
    const isKept = nextRoot !== undefined && kept < rootEnd;
    if (isKept && (end - base) * stages[k]!.outputRow > (kept - rootBase) * stages[root]!.outputRow)
      return false;
    const call = sliceCall(stages, made, k, s);
    const overlap = call && overlapOf(call, stages[k]!.inputName);
    if (!call || !overlap) return false;
    const read = inputsOf(call).find(({ name }) => name === stages[k]!.inputName)!.ref;
    if (!allows(overlap, read.byteOffset! - call.values.output.byteOffset!)) return false;
  }
  return true;
}
