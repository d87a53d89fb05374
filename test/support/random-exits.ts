/** Random small graphs with early exits, and thresholds that lie where exits just answer or just do not. */
import type { Exit, OperatorKind } from "../../src/graph/graph.ts";
import { GraphBuilder, type RandomGraph } from "./graph-builder.ts";
import { addInput, RANDOM_OPERATORS } from "./random-operators.ts";
import { addFullyConnected } from "./random-windows.ts";

const KINDS = Object.keys(RANDOM_OPERATORS) as OperatorKind[];

/** The largest value of a row and the first class that has it, and how far the second largest lies below it. */
export function ranked(row: Int8Array): { top: number; winner: number; margin: number } {
  const sorted = [...row].sort((a, b) => b - a);
  return { top: sorted[0]!, winner: row.indexOf(sorted[0]!), margin: sorted[0]! - sorted[1]! };
}

/** Whether an exit answers, in real numbers: the confidence has come to the threshold of the winning class. */
export function answersInReals(row: Int8Array, { criterion, thresholds }: Exit): boolean {
  const { top, winner, margin } = ranked(row);
  const confidence = (criterion === "top" ? top + 128 : margin) / 256;
  return confidence >= thresholds[thresholds.length === 1 ? 0 : winner]!;
}

/** The classes' probabilities behind any tensor: sometimes an operator more, a fully connected layer, SOFTMAX. */
function addHead(builder: GraphBuilder, source: number, classes: number): number {
  const { random } = builder;
  const isMap = builder.shape(source).length === 4 && random.chance(0.6);
  const kind = isMap ? random.pick(["AVERAGE_POOL_2D", "MAX_POOL_2D", "CONV_2D", "MEAN"] as const) : null;
  const input = kind ? RANDOM_OPERATORS[kind].add(builder, source) : source;
  const logits = addFullyConnected(builder, input, classes);
  // From nearly uniform, where many are equal, to nearly certain.
  const beta = Math.fround(random.pick([0.02, 0.3, 1, 1, 4, 16]));
  const affine = { scale: 1 / 256, zeroPoint: -128 };
  const output = builder.operator("SOFTMAX", [logits], { beta }, { shape: [1, classes], affine });
  if (!random.chance(0.1)) return output;
  return builder.operator("RESHAPE", [output], {}, { shape: [1, classes], affine });
}

function addTrunk(builder: GraphBuilder, count: number): void {
  const { random } = builder;
  for (let left = count; left > 0; left--) {
    const input = random.chance(0.7) ? builder.live.at(-1)! : random.pick(builder.live);
    const accepted = KINDS.filter(
      (kind) => RANDOM_OPERATORS[kind].weight > 0 && RANDOM_OPERATORS[kind].accepts(builder.shape(input)),
    );
    const kind = random.weighted(accepted.map((k) => [RANDOM_OPERATORS[k].weight, k] as const));
    RANDOM_OPERATORS[kind].add(builder, input);
  }
}

/** A threshold about which `measure` decides: just reached, just missed, never, or any. */
function threshold(builder: GraphBuilder, measure: number): number {
  const { random } = builder;
  const inside = (value: number) => Math.min(1, Math.max(2 ** -20, value));
  return random.weighted<() => number>([
    [3, () => inside(measure / 256)],
    [4, () => inside((measure + 1) / 256)],
    [1.5, () => inside((measure + 2 ** -10) / 256)],
    [0.5, () => inside((measure - 1) / 256)],
    [1, () => 1],
    [1, () => inside(random.unit())],
  ])();
}

function exitOf(builder: GraphBuilder, tensor: number): Exit {
  const { random } = builder;
  const row = builder.int8(tensor);
  const { top, winner, margin } = ranked(row);
  const criterion = random.pick(["top", "margin"] as const);
  const own = threshold(builder, criterion === "top" ? top + 128 : margin);
  // The other classes' must not matter: at once, or never.
  const others = () => random.pick([2 ** -20, 1, random.unit() / 2 + 0.25]);
  const each = Array.from(row, (_, c) => (c === winner ? own : others()));
  return { tensor, criterion, thresholds: random.chance(0.5) ? [own] : each };
}

/** The same seed always gives the same graph: 1 to 3 exits, decided in all ways on the graph's own inputs. */
export function randomExitGraph(seed: number): RandomGraph {
  const builder = new GraphBuilder(seed, 1500);
  const { random } = builder;
  const classes = random.pick([2, 2, 3, 5, 12, 33]);
  const map = () => [1, random.integer(1, 9), random.integer(1, 9), random.integer(1, 9)];
  addInput(builder, random.chance(0.8) ? map() : [1, random.integer(1, 40)], true);
  const exits: Exit[] = [];
  for (let left = random.integer(1, 3); left > 0; left--) {
    addTrunk(builder, random.integer(1, 4));
    const trunk = builder.live.at(-1)!;
    // Heads stand behind their block mostly, but some files list them later.
    const source = random.chance(0.8) ? trunk : random.pick(builder.live);
    exits.push(exitOf(builder, addHead(builder, source, classes)));
    // On from the trunk, not from the head; sometimes the head is read again all the same.
    if (random.chance(0.9)) builder.live.push(trunk);
  }
  addTrunk(builder, random.integer(1, 4));
  const last = addHead(builder, builder.live.at(-1)!, classes);
  const final = random.chance(0.15) ? RANDOM_OPERATORS.DEQUANTIZE.add(builder, last) : last;
  const outputs = exits.map(({ tensor }) => tensor);
  outputs.splice(random.chance(0.7) ? 0 : random.integer(0, outputs.length), 0, final);
  const { graph, inputs } = builder.finish(`random exits ${seed}`, outputs);
  return { graph: { ...graph, exits }, inputs };
}
