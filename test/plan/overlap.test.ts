// Outputs on inputs: the rules of the planner against the order in which the chip's kernels read and write.
import { describe, expect, it } from "vitest";
import type { KernelCall } from "../../src/plan/kernel-call.ts";
import { allows, inputsOf, overlapOf } from "../../src/plan/overlap.ts";
import { lowerGraph, planGraph } from "../../src/plan/plan.ts";
import { callsInOrder } from "../../src/plan/schedule.ts";
import { type Access, accessesOf } from "../support/kernel-order.ts";
import { Random } from "../support/random.ts";
import { randomGraph, randomOperatorGraph } from "../support/random-graph.ts";

/** Whether a byte of the input is read after the output has been written over it. */
function isSpoilt(accesses: readonly Access[], name: string, delta: number): boolean {
  const written = new Set<number>();
  for (const { reads, writes } of accesses) {
    if (reads.some((read) => read.name === name && written.has(read.at + delta))) return true;
    for (const at of writes) written.add(at);
  }
  return false;
}

/** Bytes from the first to one past the last. */
function extent(accesses: readonly Access[], name: string): { input: number; output: number } {
  const end = (all: readonly number[]) => all.reduce((most, at) => Math.max(most, at + 1), 0);
  return {
    input: end(accesses.flatMap(({ reads }) => reads.filter((r) => r.name === name).map(({ at }) => at))),
    output: end(accesses.flatMap(({ writes }) => writes)),
  };
}

const KINDS = [
  ["CONV_2D", "conv_s8"],
  ["CONV_2D", "pointwise_s8"],
  ["DEPTHWISE_CONV_2D", "depthwise_s8"],
  ["AVERAGE_POOL_2D", "avg_pool_s8"],
  ["MAX_POOL_2D", "max_pool_s8"],
  ["ADD", "add_s8"],
  ["MUL", "mul_s8"],
  ["RELU", "lookup_s8"],
  ["SOFTMAX", "softmax_s8"],
] as const;

/** Calls of a kernel on random shapes. */
function callsOf(kind: (typeof KINDS)[number][0], kernel: string, count: number): KernelCall[] {
  const calls: KernelCall[] = [];
  for (let seed = 0; calls.length < count && seed < 40 * count; seed++) {
    const { graph } = randomOperatorGraph(kind, seed, 400);
    calls.push(
      ...lowerGraph(graph)
        .flat()
        .filter((call) => call.kernel === kernel),
    );
  }
  return calls;
}

describe.each(KINDS)("%s, %s", (kind, kernel) => {
  it("reads no byte of its input after it is written over, wherever the rule lets the two lie", () => {
    const random = new Random(1);
    let allowed = 0;
    let tight = 0;
    let distances = 0;
    for (const call of callsOf(kind, kernel, 120)) {
      for (const { name } of inputsOf(call)) {
        const overlap = overlapOf(call, name);
        if (!overlap) continue;
        const orders = [() => 1, () => 6, () => random.integer(1, 6)].map((size) => [
          ...accessesOf(call, size),
        ]);
        const { input, output } = extent(orders[0]!, name);
        for (let delta = -input; delta <= output; delta++) {
          if (!allows(overlap, delta)) continue;
          allowed++;
          const message = `${JSON.stringify(call.values, (_, v) => (ArrayBuffer.isView(v) ? undefined : v))} ${delta}`;
          expect(
            orders.some((accesses) => isSpoilt(accesses, name, delta)),
            message,
          ).toBe(false);
        }
        // A rule that forbids everything would be safe as well: one byte nearer must spoil the input, mostly.
        const { distance } = overlap.kind === "after" ? overlap : { distance: Number.NEGATIVE_INFINITY };
        if (distance - 1 <= -input || distance - 1 >= output) continue;
        distances++;
        if (isSpoilt(orders[0]!, name, distance - 1)) tight++;
      }
    }
    expect(allowed).toBeGreaterThan(500);
    if (kernel === "depthwise_s8") expect(distances).toBe(0);
    else expect(tight / distances).toBeGreaterThan(0.7);
  });
});

describe("plans", () => {
  it.each(["speed", "size", "ram"] as const)(
    "%s: every kernel reads what was made for it, and inputs are used in place",
    (optimize) => {
      let shared = 0;
      for (let seed = 0; seed < 150; seed++) {
        const { graph } = randomGraph(seed, { elements: 600 });
        const plan = planGraph(graph, new Map(), optimize);
        shared += plan.buffers.filter(({ over }) => over.length > 0).length;
        expect(firstSpoilt(plan), `seed ${seed}`).toBeNull();
      }
      expect(shared).toBeGreaterThan(50);
    },
  );
});

/** Runs a plan on the names of bytes instead of their values; chains of slices are run for real elsewhere. */
function firstSpoilt(plan: ReturnType<typeof planGraph>): string | null {
  const { graph, places, operators, order, chains } = plan;
  const sliced = (operator: number) =>
    chains.some(({ first, last }) => first <= operator && operator <= last);
  /** By address: whose byte lies there. Tensors that lie in one buffer are one. */
  const names = new Map<number, string>();
  const root = (tensor: number) => plan.buffers.findIndex(({ tensors }) => tensors.includes(tensor));
  const address = (tensor: number) => {
    const place = places[tensor];
    return place?.space === "arena" ? place.offset : null;
  };
  const fill = (tensor: number) => {
    const { bytes } = plan.buffers[root(tensor)]!;
    for (let i = 0; i < bytes; i++) names.set(address(tensor)! + i, `${root(tensor)} ${i}`);
  };
  for (const tensor of graph.inputs) if (address(tensor) !== null) fill(tensor);
  const calls = callsInOrder({ calls: operators.map(({ calls }) => calls), order });
  for (const [record, { call, operator }] of calls.entries()) {
    const output = call.values.output;
    const to = address(output.tensor)! + (output.byteOffset ?? 0);
    const done = operators.findIndex(({ recordEnd }) => recordEnd === record + 1);
    if (sliced(operator)) {
      // Only the last operator's output exists whole.
      if (done >= 0) fill(operators[done]!.operator.outputs[0]!);
      continue;
    }
    const refs = new Map(inputsOf(call).map(({ name, ref }) => [name, ref] as const));
    const isOrdered = call.kernel !== "pad_s8" && call.kernel !== "mean_s8";
    for (const { reads, writes } of isOrdered ? accessesOf(call) : []) {
      for (const { name, at } of reads) {
        const ref = refs.get(name)!;
        const from = address(ref.tensor);
        if (from === null) continue;
        const byte = at + (ref.byteOffset ?? 0);
        if (names.get(from + byte) !== `${root(ref.tensor)} ${byte}`)
          return `record ${record} ${call.kernel} reads byte ${byte} of tensor ${ref.tensor}`;
      }
      for (const at of writes) {
        const byte = at + (output.byteOffset ?? 0);
        names.set(to + at, `${root(output.tensor)} ${byte}`);
      }
    }
    if (!isOrdered) fill(output.tensor);
  }
  for (const tensor of graph.outputs) {
    const from = address(tensor);
    if (from === null) continue;
    const { bytes } = plan.buffers[root(tensor)]!;
    for (let i = 0; i < bytes; i++) {
      if (names.get(from + i) !== `${root(tensor)} ${i}`) return `output ${tensor}, byte ${i}`;
    }
  }
  return null;
}
