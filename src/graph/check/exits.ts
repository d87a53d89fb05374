import { finalOutput } from "../exits.ts";
import { EXIT_CRITERIA, type Exit, type Graph } from "../graph.ts";
import { elementCount, formatShape, sameShape } from "../shape.ts";
import { type Problems, quoted } from "./problems.ts";

function label(graph: Graph, index: number): string {
  const name = graph.tensors[graph.exits![index]!.tensor]?.name;
  return name === undefined ? `exit ${index}` : `exit ${index} (${quoted(name)})`;
}

function thresholdProblem({ thresholds }: Exit, classes: number): string | null {
  if (thresholds.length !== 1 && thresholds.length !== classes) {
    return `has ${thresholds.length} thresholds; supported: 1, or 1 for each of the ${classes} classes`;
  }
  const outside = thresholds.find((value) => !(value > 0 && value <= 1));
  return outside === undefined ? null : `has the threshold ${outside}; supported: above 0, up to 1`;
}

/**
 * Adds to `problems` what is wrong with the exits of a graph whatever its element types: each must be an output that
 * an operator writes, of the final output's shape and later than the exit before it. Indices must be in range.
 */
export function findExitProblems(graph: Graph, problems: Problems): void {
  const exits = graph.exits ?? [];
  if (exits.length === 0) return;
  const finals = graph.outputs.filter((tensor) => !exits.some((exit) => exit.tensor === tensor));
  if (finals.length !== 1) {
    problems.add(
      "exits",
      `leave ${finals.length} of ${graph.outputs.length} outputs; supported: 1, the final one`,
    );
  }
  const final = graph.tensors[finals[0] ?? -1];
  const writer = (tensor: number) => graph.operators.findIndex(({ outputs }) => outputs[0] === tensor);
  for (const [i, exit] of exits.entries()) {
    const report = (problem: string) => problems.add(label(graph, i), problem);
    const tensor = graph.tensors[exit.tensor];
    if (!tensor || !graph.outputs.includes(exit.tensor)) {
      report(tensor ? "is no output of the graph" : `names tensor ${exit.tensor}, which is not there`);
      continue;
    }
    const before = exits.slice(0, i).findIndex((other) => other.tensor === exit.tensor);
    if (before >= 0) report(`is exit ${before} as well`);
    if (writer(exit.tensor) < 0) report("is written by no operator");
    const previous = exits[i - 1]?.tensor ?? -1;
    if (before < 0 && writer(exit.tensor) < writer(previous)) {
      report(`is computed before exit ${i - 1}; supported: exits in the order of their computation`);
    }
    if (!EXIT_CRITERIA.includes(exit.criterion)) {
      report(`has the criterion "${exit.criterion}"; supported: ${EXIT_CRITERIA.join(", ")}`);
    }
    const { shape } = tensor;
    const classes = shape.at(-1) ?? 1;
    if (classes < 2 || elementCount(shape) !== classes) {
      report(`has the shape ${formatShape(shape)}; supported: [1,classes], 2 classes and more`);
    } else if (final && !sameShape(shape, final.shape)) {
      report(
        `has the shape ${formatShape(shape)}, the final output ${formatShape(final.shape)}; supported: the same`,
      );
    }
    const problem = thresholdProblem(exit, classes);
    if (problem !== null) report(problem);
  }
}

/**
 * Adds to `problems` the exits, and the final output of a graph with exits, that do not hold int8 probabilities as a
 * SOFTMAX gives them; a DEQUANTIZE may stand behind the final one. So that whichever answers means the same.
 */
export function findProbabilityProblems(graph: Graph, problems: Problems): void {
  const { exits = [], operators } = graph;
  if (exits.length === 0) return;
  const final = finalOutput(graph);
  const dequantize = operators.find(({ kind, outputs }) => kind === "DEQUANTIZE" && outputs[0] === final);
  const checked: [string, number][] = [
    ...exits.map(({ tensor }, i): [string, number] => [label(graph, i), tensor]),
    [`final output ${quoted(graph.tensors[final]!.name)}`, dequantize?.inputs[0] ?? final],
  ];
  for (const [place, tensor] of checked) {
    const { dtype, quantization } = graph.tensors[tensor]!;
    const [scale, zeroPoint] = [quantization?.scales[0], quantization?.zeroPoints[0]];
    if (dtype === "int8" && scale === 1 / 256 && zeroPoint === -128) continue;
    const found = quantization ? `${dtype}, scale ${scale}, zero point ${zeroPoint}` : dtype;
    problems.add(
      place,
      `is ${found}; supported: probabilities as of a SOFTMAX (int8, scale 1/256, zero point -128)`,
    );
  }
}
