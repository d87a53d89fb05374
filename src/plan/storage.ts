import type { Graph } from "../graph/graph.ts";
import { bytesPerElement, elementCount } from "../graph/shape.ts";
import type { Buffer, SharedPair } from "./arena.ts";
import type { KernelCall } from "./kernel-call.ts";
import { isAlias } from "./lower/index.ts";
import { inputsOf, type Overlap, overlapOf } from "./overlap.ts";
import { callsInOrder, type Schedule, type SlicedChain } from "./schedule.ts";

/** A buffer and the tensors that it holds, in order of their making: aliases, or the rows of a line. */
export interface TensorBuffer extends Buffer {
  readonly tensors: readonly number[];
  /** First and last operator during which it is in use; a chain's operators run together. */
  readonly firstOperator: number;
  readonly lastOperator: number;
}

export interface Storage {
  readonly buffers: readonly TensorBuffer[];
  readonly pairs: readonly SharedPair[];
}

/** Record r runs at time 2r + 1; outputs of operators are looked at between records. */
const timeOf = (record: number) => 2 * record + 1;

/**
 * Which tensors share a buffer, how long each is needed, and which pairs of buffers may share bytes.
 *
 * A tensor is needed from the call that first writes it to the last that reads it; the final output to the end; the output of any operator, unless it never exists whole, until the operator is done.
 */
export function storageOf(graph: Graph, schedule: Schedule): Storage {
  return new Builder(graph, schedule).build();
}

/** Bytes in the arena. Float tensors stand only at the edges and hold int8 there. */
export function tensorBytes(graph: Graph, tensor: number): number {
  const { shape, dtype } = graph.tensors[tensor]!;
  return elementCount(shape) * (dtype === "float32" ? 1 : bytesPerElement(dtype));
}

interface OpenBuffer {
  readonly tensors: number[];
  readonly bytes: number;
  first: number;
  last: number;
  firstOperator: number;
  lastOperator: number;
}

class Builder {
  readonly #graph: Graph;
  readonly #schedule: Schedule;
  readonly #buffers: OpenBuffer[] = [];
  /** By tensor. */
  readonly #bufferOf = new Map<number, number>();

  constructor(graph: Graph, schedule: Schedule) {
    this.#graph = graph;
    this.#schedule = schedule;
  }

  build(): Storage {
    const { chains, ends, order } = this.#schedule;
    for (const { lines } of chains) {
      for (const { tensors, bytes } of lines)
        for (const tensor of tensors) this.#hold(tensor, bytes, tensors[0]!);
    }
    for (const tensor of this.#graph.inputs) this.#use(tensor, 0, 0);
    const calls = callsInOrder(this.#schedule);
    let record = 0;
    this.#graph.operators.forEach((op, operator) => {
      for (; record < ends[operator]!; record++) {
        const { call, operator: own } = calls[record]!;
        for (const { tensor } of [...inputsOf(call).map(({ ref }) => ref), call.values.output]) {
          this.#use(tensor, timeOf(record), own);
        }
      }
      const output = op.outputs[0]!;
      const source = this.#bufferOf.get(op.inputs[0]!);
      if (isAlias(this.#graph, op)) {
        if (source === undefined) return;
        this.#bufferOf.set(output, source);
        this.#buffers[source]!.tensors.push(output);
      }
      const isLine = chains.some(({ first, last }) => first <= operator && operator < last);
      if (!isLine) this.#use(output, 2 * record, operator);
    });
    const lastOperator = Math.max(0, this.#graph.operators.length - 1);
    // An exit's output only lives until it is decided, when the operator that writes it is done.
    const exits = new Set(this.#graph.exits?.map(({ tensor }) => tensor));
    for (const tensor of this.#graph.outputs) {
      if (!exits.has(tensor) && this.#bufferOf.has(tensor))
        this.#use(tensor, timeOf(order.length) + 1, lastOperator);
    }
    return { buffers: this.#buffers, pairs: this.#pairs(calls) };
  }

  #hold(tensor: number, bytes: number, root = tensor): number {
    const known = this.#bufferOf.get(tensor) ?? this.#bufferOf.get(root);
    if (known === undefined) {
      const times = { first: Number.POSITIVE_INFINITY, last: -1 };
      const operators = { firstOperator: Number.POSITIVE_INFINITY, lastOperator: -1 };
      this.#buffers.push({ tensors: [], bytes, ...times, ...operators });
    }
    const index = known ?? this.#buffers.length - 1;
    if (!this.#bufferOf.has(tensor)) this.#buffers[index]!.tensors.push(tensor);
    this.#bufferOf.set(tensor, index);
    return index;
  }

  #use(tensor: number, time: number, operator: number): void {
    if (this.#graph.tensors[tensor]!.data) return;
    const index = this.#bufferOf.get(tensor) ?? this.#hold(tensor, tensorBytes(this.#graph, tensor));
    const buffer = this.#buffers[index]!;
    const chain = this.#schedule.chains.find(({ first, last }) => first <= operator && operator <= last);
    buffer.first = Math.min(buffer.first, time);
    buffer.last = Math.max(buffer.last, time);
    buffer.firstOperator = Math.min(buffer.firstOperator, chain?.first ?? operator);
    buffer.lastOperator = Math.max(buffer.lastOperator, chain?.last ?? operator);
  }

  #pairs(calls: readonly { readonly operator: number; readonly call: KernelCall }[]): SharedPair[] {
    const { chains } = this.#schedule;
    const pairs: SharedPair[] = [];
    calls.forEach(({ call, operator }, record) => {
      if (chains.some(({ first, last }) => first <= operator && operator <= last)) return;
      const output = this.#bufferOf.get(call.values.output.tensor)!;
      if (this.#buffers[output]!.first !== timeOf(record)) return;
      for (const { ref } of inputsOf(call)) {
        const input = this.#bufferOf.get(ref.tensor);
        if (input === undefined || input === output || this.#buffers[input]!.last !== timeOf(record))
          continue;
        if (pairs.some((pair) => pair.input === input && pair.output === output)) continue;
        const overlap = overlapWith([call], ref.tensor, call.values.output.tensor);
        if (overlap) pairs.push({ input, output, overlap });
      }
    });
    return [...pairs, ...chains.flatMap((chain) => this.#chainPairs(chain))];
  }

  /** A chain's whole inputs and its output: written row by row while rows are used up. */
  #chainPairs({ steps, last }: SlicedChain): SharedPair[] {
    const output = this.#graph.operators[last]!.outputs[0]!;
    const outputBuffer = this.#bufferOf.get(output)!;
    const own = new Set(steps.map(({ call }) => call.values.output.tensor));
    const read = new Set(steps.flatMap(({ call }) => inputsOf(call).map(({ ref }) => ref.tensor)));
    const end = this.#schedule.ends[last]!;
    return [...read].flatMap((tensor): SharedPair[] => {
      const input = this.#bufferOf.get(tensor);
      if (own.has(tensor) || input === undefined || this.#buffers[input]!.last >= timeOf(end)) return [];
      // An alias of the tensor may be read here too: then the calls below are not all.
      if (this.#buffers[input]!.tensors.filter((t) => read.has(t)).length > 1) return [];
      const overlap = overlapWith(
        steps.map(({ call }) => call),
        tensor,
        output,
      );
      return overlap ? [{ input, output: outputBuffer, overlap }] : [];
    });
  }
}

/**
 * The rule for an input of some calls and an output of them, each a whole buffer. Calls run one after the other: what
 * one writes must lie before all that later ones read.
 */
export function overlapWith(calls: readonly KernelCall[], input: number, output: number): Overlap | null {
  let distance = Number.NEGATIVE_INFINITY;
  let laterRead = Number.POSITIVE_INFINITY;
  for (const call of calls.toReversed()) {
    const to = call.values.output;
    const reads = inputsOf(call).filter(({ ref }) => ref.tensor === input);
    if (to.tensor === output) {
      if (Number.isFinite(laterRead)) {
        distance = Math.max(distance, (to.byteOffset ?? 0) + outputBytes(call) - laterRead);
      }
      for (const { name, ref } of reads) {
        const own = overlapOf(call, name);
        if (!own) return null;
        if (own.kind === "channels") return calls.length === 1 && reads.length === 1 ? own : null;
        distance = Math.max(distance, own.distance + (to.byteOffset ?? 0) - (ref.byteOffset ?? 0));
      }
    }
    for (const { ref } of reads) laterRead = Math.min(laterRead, ref.byteOffset ?? 0);
  }
  return { kind: "after", distance };
}

/** Bytes that a call writes, from its output's address to the end of the last. */
export function outputBytes(call: KernelCall): number {
  switch (call.kernel) {
    case "conv_s8":
    case "depthwise_s8":
    case "avg_pool_s8":
    case "max_pool_s8": {
      const { batch, outputHeight, outputWidth, outputChannels } = call.values;
      return batch * outputHeight * outputWidth * outputChannels;
    }
    case "pointwise_s8":
      return call.values.pixels * call.values.outputChannels;
    case "lookup_s8":
      return call.values.count;
    case "add_s8":
    case "mul_s8": {
      const { dim0, dim1, dim2, dim3 } = call.values;
      return dim0 * dim1 * dim2 * dim3;
    }
    case "copy_s8":
      return (call.values.rows - 1) * call.values.outputStride + call.values.rowBytes;
    default:
      // Never part of a chain, and alone they share nothing of which the size is asked.
      return Number.POSITIVE_INFINITY;
  }
}
