import { ThumbnetError } from "../errors.ts";
import type { Graph, Operator } from "../graph/graph.ts";
import type { Expansion } from "../graph/rewrites/constant-channels.ts";
import { bytesPerElement, elementCount } from "../graph/shape.ts";
import { planArena } from "./arena.ts";
import type { KernelCall } from "./kernel-call.ts";
import type { KernelName } from "./layout.ts";
import { isAlias, lowerOperator } from "./lower/index.ts";
import { scratchBytes } from "./scratch.ts";

/** Where a tensor lies: at an offset of the arena, or in the image because it is constant. */
export type Place =
  | { readonly space: "arena"; readonly offset: number }
  | { readonly space: "image"; readonly tensor: number };

export interface PlannedOperator {
  readonly operator: Operator;
  /** The kernel calls that do its work; none for an alias. */
  readonly calls: readonly KernelCall[];
  /** Bytes of the buffers that are alive while it runs. */
  readonly liveBytes: number;
}

/** One stretch of the arena and when it is in use, for memory maps. */
export interface ArenaBuffer {
  /** The tensors that share it, in order of their making: aliases and operators in place. */
  readonly tensors: readonly number[];
  readonly offset: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** An int8 graph, lowered to kernel calls and with a place for every tensor. */
export interface Plan {
  readonly graph: Graph;
  readonly operators: readonly PlannedOperator[];
  /** By tensor index; null for a tensor that no kernel touches (paddings, axes, shapes, weights). */
  readonly places: readonly (Place | null)[];
  /** By tensor index: the channels that tensors had before constant ones were folded. */
  readonly expansions: ReadonlyMap<number, Expansion>;
  /** By tensor index: the tensor whose scale the bytes have. Another one for a float32 tensor at the edge. */
  readonly stored: readonly number[];
  readonly arenaBytes: number;
  /** What the chip's kernels need behind the arena. */
  readonly scratchBytes: number;
  /** The least that any plan needs with this order and these buffers. */
  readonly arenaBound: number;
  /** The operator during which most bytes are alive. */
  readonly peakOperator: number;
  readonly buffers: readonly ArenaBuffer[];
}

/**
 * Kernels that may write over an input of the same size: they read each element before they write it, and
 * never again.
 */
const IN_PLACE: ReadonlySet<KernelName> = new Set(["add_s8", "mul_s8", "lookup_s8", "softmax_s8"]);

/** Far beyond any microcontroller: what asks for more is no model but a damaged file. */
const MAX_ARENA_BYTES = 2 ** 28;

/**
 * Lowers every operator and places every tensor.
 *
 * @param graph accepted by `checkInt8`
 * @throws ThumbnetError when an operator does not fit the records' fields
 */
export function planGraph(graph: Graph, expansions: ReadonlyMap<number, Expansion> = new Map()): Plan {
  const calls = graph.operators.map((op, index) => naming(graph, op, index, () => lowerOperator(graph, op)));
  const storage = new Storage(graph);
  graph.operators.forEach((op, step) => {
    storage.visit(op, step, calls[step]!);
  });
  const roots = storage.roots();
  const lifetimes = roots.map((tensors) => storage.lifetime(tensors));
  const arena = planArena(lifetimes);
  if (arena.bytes > MAX_ARENA_BYTES) {
    throw new ThumbnetError(
      `${graph.name}: needs an arena of ${arena.bytes} bytes; supported: up to ${MAX_ARENA_BYTES}`,
    );
  }

  const places: (Place | null)[] = graph.tensors.map(() => null);
  roots.forEach((tensors, i) => {
    for (const tensor of tensors) places[tensor] = { space: "arena", offset: arena.offsets[i]! };
  });
  for (const op of graph.operators) {
    const source = op.inputs[0]!;
    if (isAlias(graph, op) && !places[op.outputs[0]!])
      places[op.outputs[0]!] = places[source] ?? image(source);
  }
  return {
    graph,
    operators: graph.operators.map((operator, step) => ({
      operator,
      calls: calls[step]!,
      liveBytes: lifetimes.reduce((sum, b) => (b.first <= step && step <= b.last ? sum + b.bytes : sum), 0),
    })),
    expansions,
    stored: storedTensors(graph),
    places: places.map((place, t) => place ?? (graph.tensors[t]!.data ? image(t) : null)),
    arenaBytes: arena.bytes,
    scratchBytes: Math.max(0, ...calls.flat().map(scratchBytes)),
    arenaBound: arena.bound,
    peakOperator: arena.peakStep,
    buffers: roots.map((tensors, i) => ({ tensors, offset: arena.offsets[i]!, ...lifetimes[i]! })),
  };
}

/** @throws ThumbnetError when one float32 input is quantised in two ways: the runtime takes one int8 input */
function storedTensors(graph: Graph): number[] {
  const stored = graph.tensors.map((_, t) => t);
  graph.operators.forEach((op, index) => {
    const [input, output] = [op.inputs[0]!, op.outputs[0]!];
    if (op.kind === "DEQUANTIZE") stored[output] = input;
    if (op.kind !== "QUANTIZE" || !isAlias(graph, op)) return;
    const [known, own] = [stored[input]!, output].map((t) => JSON.stringify(graph.tensors[t]!.quantization));
    if (stored[input] !== input && known !== own) {
      throw new ThumbnetError(
        `${graph.name}: operator ${index} (QUANTIZE): input "${graph.tensors[input]!.name}" is quantised in another way as well; supported: one`,
      );
    }
    stored[input] = output;
  });
  return stored;
}

function image(tensor: number): Place {
  return { space: "image", tensor };
}

/** Puts the model and the operator before the message of an error. */
export function naming<T>(graph: Graph, op: Operator, index: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ThumbnetError)) throw error;
    throw new ThumbnetError(`${graph.name}: operator ${index} (${op.kind}): ${error.message}`);
  }
}

/** Which tensors share a buffer, and for how long each is needed. */
class Storage {
  readonly #graph: Graph;
  /** The tensor whose buffer a tensor uses: itself, or the one that it aliases or overwrites. */
  readonly #root = new Map<number, number>();
  readonly #first = new Map<number, number>();
  /** Last step that reads a tensor's root; counted before operators are visited, so that in-place is safe. */
  readonly #last = new Map<number, number>();
  readonly #isOutput: ReadonlySet<number>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#isOutput = new Set(graph.outputs);
    graph.operators.forEach((op, step) => {
      for (const tensor of op.inputs) if (tensor >= 0) this.#last.set(tensor, step);
    });
    for (const tensor of graph.inputs) this.#define(tensor, tensor, 0);
  }

  #define(tensor: number, root: number, step: number): void {
    this.#root.set(tensor, root);
    this.#first.set(tensor, step);
  }

  visit(op: Operator, step: number, calls: readonly KernelCall[]): void {
    const output = op.outputs[0]!;
    const source = op.inputs[0]!;
    if (isAlias(this.#graph, op)) {
      const root = this.#root.get(source);
      if (root !== undefined) this.#define(output, root, step);
      return;
    }
    this.#define(output, this.#overwritten(op, step, calls) ?? output, step);
  }

  /** The root of an input that the operator may write over, if there is one. */
  #overwritten(op: Operator, step: number, calls: readonly KernelCall[]): number | undefined {
    if (calls.length !== 1 || !IN_PLACE.has(calls[0]!.kernel)) return undefined;
    const bytes = this.#bytes(op.outputs[0]!);
    const candidate = op.inputs.find((tensor) => {
      const root = this.#root.get(tensor);
      return root !== undefined && this.#bytes(tensor) === bytes && !this.#neededAfter(root, step);
    });
    return candidate === undefined ? undefined : this.#root.get(candidate);
  }

  /** Whether anything that shares the buffer is read later or is an output of the graph. */
  #neededAfter(root: number, step: number): boolean {
    for (const [tensor, its] of this.#root) {
      if (its === root && (this.#isOutput.has(tensor) || this.#readAfter(tensor, step))) return true;
    }
    return false;
  }

  #readAfter(tensor: number, step: number): boolean {
    return (this.#last.get(tensor) ?? -1) > step;
  }

  #bytes(tensor: number): number {
    const { shape, dtype } = this.#graph.tensors[tensor]!;
    // Float tensors stand only at the edges and hold int8 in the arena.
    return elementCount(shape) * (dtype === "float32" ? 1 : bytesPerElement(dtype));
  }

  /** The tensors of each buffer. */
  roots(): number[][] {
    const groups = new Map<number, number[]>();
    for (const [tensor, root] of this.#root) {
      const group = groups.get(root);
      if (group) group.push(tensor);
      else groups.set(root, [tensor]);
    }
    return [...groups.values()];
  }

  lifetime(tensors: readonly number[]): { bytes: number; first: number; last: number } {
    const end = Math.max(0, this.#graph.operators.length - 1);
    return {
      bytes: Math.max(...tensors.map((t) => this.#bytes(t))),
      first: Math.min(...tensors.map((t) => this.#first.get(t)!)),
      last: Math.max(
        ...tensors.map((t) =>
          this.#isOutput.has(t) ? end : Math.max(this.#last.get(t) ?? 0, this.#first.get(t)!),
        ),
      ),
    };
  }
}
