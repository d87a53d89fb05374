/**
 * Random small graphs over every operator kind, with contents for their inputs: what exact implementations are
 * compared on. They are legal by docs/arithmetic.md and src/graph/graph.ts, never overflow int32, and mostly spread
 * their results over int8.
 */
import type { OperatorKind } from "../../src/graph/graph.ts";
import { elementCount } from "../../src/graph/shape.ts";
import { GraphBuilder, type RandomGraph } from "./graph-builder.ts";
import { addFromFloat, addFromUint8, addInput, addToUint8, RANDOM_OPERATORS } from "./random-operators.ts";
import { addMatrix } from "./random-windows.ts";

export type { InputContent, RandomGraph } from "./graph-builder.ts";

export interface RandomGraphOptions {
  /** Operators at most, those at the edges aside; 8 where not given. */
  readonly operators?: number;
  /** Elements at most of any tensor; 3,000 where not given. */
  readonly elements?: number;
  /** Operators to draw from; all where not given. */
  readonly kinds?: readonly OperatorKind[];
}

export const OPERATOR_KINDS = Object.keys(RANDOM_OPERATORS) as OperatorKind[];

function randomShape(builder: GraphBuilder, accepts: (shape: readonly number[]) => boolean): number[] {
  const { random } = builder;
  const side = () =>
    random.weighted([
      [2, 1],
      [3, random.integer(2, 6)],
      [3, random.pick([5, 7, 9, 11])],
      [1, 12],
    ]);
  const batch = () =>
    random.weighted([
      [8, 1],
      [1, 2],
      [1, 3],
    ]);
  for (;;) {
    const shape = random.weighted<() => number[]>([
      [9, () => [batch(), side(), side(), builder.channels()]],
      [0.7, () => [batch(), 1, 1, builder.channels()]],
      [0.7, () => [batch(), 1, random.integer(2, 40), builder.channels()]],
      [0.5, () => [batch(), side(), builder.channels()]],
      [0.7, () => [batch(), random.integer(1, 60)]],
      [0.3, () => [random.integer(1, 50)]],
      [0.3, () => [random.integer(1, 2), random.integer(200, 700)]],
    ])();
    if (accepts(shape) && elementCount(shape) <= builder.maxElements) return shape;
  }
}

/** The same seed and options always give the same graph. */
export function randomGraph(seed: number, options: RandomGraphOptions = {}): RandomGraph {
  const { operators = 8, elements = 3000, kinds = OPERATOR_KINDS } = options;
  const builder = new GraphBuilder(seed, elements);
  const { random } = builder;
  const acceptedBy = (shape: readonly number[]) =>
    kinds.filter((kind) => RANDOM_OPERATORS[kind].weight > 0 && RANDOM_OPERATORS[kind].accepts(shape));
  addInput(
    builder,
    randomShape(builder, (shape) => acceptedBy(shape).length > 0),
    true,
  );

  for (let left = random.integer(1, operators); left > 0; left--) {
    // Mostly on from the newest tensor; sometimes from an older one (a branch) or from a new input.
    const source = random.weighted([
      [8, "newest"],
      [3, "any"],
      [0.6, "input"],
    ] as const);
    let input = source === "newest" ? builder.live.at(-1)! : random.pick(builder.live);
    if (source === "input" && builder.operators.length > 0) {
      input = addInput(
        builder,
        randomShape(builder, (shape) => acceptedBy(shape).length > 0),
        true,
      );
    }
    const accepted = acceptedBy(builder.shape(input));
    if (accepted.length === 0) continue;
    const kind = random.weighted(accepted.map((k) => [RANDOM_OPERATORS[k].weight, k] as const));
    const output = RANDOM_OPERATORS[kind].add(builder, input);
    if (
      kind === "PAD" &&
      kinds.includes("CONV_2D") &&
      builder.shape(output).length === 4 &&
      random.chance(0.5)
    ) {
      RANDOM_OPERATORS.CONV_2D.add(builder, output);
    }
  }
  return builder.finish(`random graph ${seed}`, chooseOutputs(builder));
}

/** What nobody reads, now and then a tensor that somebody does; some leave as float32 or uint8. */
function chooseOutputs(builder: GraphBuilder): number[] {
  const { random } = builder;
  const read = new Set(builder.operators.flatMap((operator) => operator.inputs));
  const computed = builder.operators.map((operator) => operator.outputs[0]!);
  const outputs = computed.filter((tensor) => !read.has(tensor));
  const inner = computed.filter((tensor) => read.has(tensor));
  if (inner.length > 0 && random.chance(0.15)) outputs.push(random.pick(inner));
  return outputs.map((tensor) =>
    random.weighted([
      [8, () => tensor],
      [1, () => RANDOM_OPERATORS.DEQUANTIZE.add(builder, tensor)],
      [1, () => addToUint8(builder, tensor)],
    ])(),
  );
}

/** A matrix product of 1 to 13 pixels and up to 600 inputs with hard weights. */
export function randomMatrixGraph(seed: number): RandomGraph {
  const builder = new GraphBuilder(seed, 10_000);
  const { random } = builder;
  const depth = random.chance(0.3) ? random.integer(1, 40) : random.integer(41, 600);
  const input = addInput(builder, [1, 1, random.integer(1, 13), depth], false);
  return builder.finish(`random matrix ${seed}`, [addMatrix(builder, input)]);
}

/** One operator of the given kind on a random shape (a second operand may bring an input or a QUANTIZE of its own). */
export function randomOperatorGraph(kind: OperatorKind, seed: number, elements = 3000): RandomGraph {
  const builder = new GraphBuilder(seed, elements);
  const { random } = builder;
  const { accepts, add } = RANDOM_OPERATORS[kind];
  const shape = randomShape(builder, accepts);
  const name = `random ${kind} ${seed}`;
  const variant = kind === "QUANTIZE" ? random.pick(["float32", "uint8", "to uint8", "int8"]) : "int8";
  if (variant === "float32") return builder.finish(name, [addFromFloat(builder, shape)]);
  if (variant === "uint8") return builder.finish(name, [addFromUint8(builder, shape)]);
  const input = addInput(builder, shape, false);
  return builder.finish(name, [variant === "to uint8" ? addToUint8(builder, input) : add(builder, input)]);
}
