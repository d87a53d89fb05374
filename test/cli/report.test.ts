import { expect, test } from "vitest";
import { graphCost, operatorCost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { planGraph } from "../../src/plan/plan.ts";
import { formatArenaMap } from "../../src/report/arena-map.ts";
import { formatJson } from "../../src/report/json.ts";
import { memoryPlot } from "../../src/report/memory-plot.ts";
import { formatProgress } from "../../src/report/progress.ts";
import { formatCount, formatFloat, formatTable } from "../../src/report/table.ts";
import { randomGraph } from "../support/random-graph.ts";
import { tensor } from "./cli.ts";

const constant = (name: string, shape: number[]) => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(name, shape, { data: new Int8Array(count).fill(1) });
};

test("the cost of grouped, depthwise and batched operators", () => {
  const window = {
    padding: "SAME",
    strideHeight: 2,
    strideWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
    activation: "NONE",
  } as const;
  const graph: Graph = {
    name: "costs",
    tensors: [
      tensor("in", [2, 6, 5, 4]),
      constant("grouped", [8, 3, 3, 2]),
      tensor("a", [2, 3, 5, 8]),
      constant("depthwise", [1, 3, 1, 16]),
      constant("bias", [16]),
      tensor("b", [2, 2, 5, 16]),
      constant("dense", [7, 160]),
      tensor("c", [2, 7]),
      constant("scale", [7]),
      tensor("d", [2, 7]),
      constant("paddings", [2, 2]),
      tensor("e", [3, 7]),
    ],
    operators: [
      { kind: "CONV_2D", inputs: [0, 1, -1], outputs: [2], options: window },
      {
        kind: "DEPTHWISE_CONV_2D",
        inputs: [2, 3, 4],
        outputs: [5],
        options: { ...window, depthMultiplier: 2 },
      },
      {
        kind: "FULLY_CONNECTED",
        inputs: [5, 6, -1],
        outputs: [7],
        options: { activation: "NONE", keepNumDims: false },
      },
      { kind: "MUL", inputs: [7, 8], outputs: [9], options: { activation: "NONE" } },
      { kind: "PAD", inputs: [9, 10], outputs: [11], options: {} },
    ],
    inputs: [0],
    outputs: [11],
  };
  expect(graph.operators.map((op) => operatorCost(graph, op))).toEqual([
    { macs: 2 * 3 * 5 * 8 * (3 * 3 * 2), parameters: 8 * 3 * 3 * 2 },
    { macs: 2 * 2 * 5 * 16 * 3, parameters: 3 * 16 + 16 },
    { macs: 2 * 7 * 160, parameters: 7 * 160 },
    { macs: 0, parameters: 7 },
    { macs: 0, parameters: 0 },
  ]);
  expect(graphCost(graph)).toEqual({ macs: 4320 + 960 + 2240, parameters: 144 + 64 + 1120 + 7 });
});

function expectNoGap(ranges: readonly (readonly [number, number])[], arenaBytes: number): void {
  const ends = ranges.map(([, to]) => to + 1);
  expect(ends).toEqual([arenaBytes, ...ranges.slice(0, -1).map(([from]) => from)]);
  expect(ranges.at(-1)![0]).toBe(0);
}

test("maps and plots of random graphs name every buffer, and addresses run without a gap", () => {
  for (let seed = 0; seed < 60; seed++) {
    const plan = planGraph(randomGraph(seed, { operators: 25, elements: 400 }).graph);
    const [map, legend] = formatArenaMap(plan).split("\n\n") as [string, string];
    expectNoGap(readMap(map).ranges, plan.arenaBytes);
    expect(legend.split("\n").length).toBe(2 + plan.buffers.length);
    const svg = memoryPlot(plan);
    expect(svg.match(/<title>/g)!.length).toBe(plan.buffers.length);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  }
});

/** The address ranges of a map from the top, and the characters of its longest line. */
function readMap(map: string): { ranges: (readonly [number, number])[]; width: number } {
  const number = (text: string) => Number(text.replaceAll(",", ""));
  const found = [...map.matchAll(/^ *([\d,]+) \.\. ([\d,]+) /gm)];
  return {
    ranges: found.map(([, from, to]) => [number(from!), number(to!)] as const),
    width: Math.max(...map.split("\n").map((line) => line.length)),
  };
}

test("a map of very many buffers merges address ranges, and has no gap", () => {
  const inputs = Array.from({ length: 70 }, (_, i) => tensor(`in${i}`, [1, 4 * i + 4]));
  const total = inputs.reduce((sum, { shape }) => sum + shape[1]!, 0);
  const graph: Graph = {
    name: "many inputs",
    tensors: [...inputs, tensor("out", [1, total])],
    operators: [
      {
        kind: "CONCATENATION",
        inputs: inputs.map((_, i) => i),
        outputs: [70],
        options: { axis: 1, activation: "NONE" },
      },
    ],
    inputs: inputs.map((_, i) => i),
    outputs: [70],
  };
  const plan = planGraph(graph);
  const { ranges } = readMap(formatArenaMap(plan));
  expect(ranges.length).toBe(40);
  expectNoGap(ranges, plan.arenaBytes);
});

test("a map of very many operators goes on below", () => {
  const tensors = Array.from({ length: 201 }, (_, i) => tensor(`t${i}`, [1, 1, 8, 1]));
  const pool = { padding: "SAME", strideHeight: 1, strideWidth: 1, filterHeight: 1, filterWidth: 2 } as const;
  const operators = tensors.slice(1).map((_, i) => {
    const options = { ...pool, activation: "NONE" } as const;
    return { kind: "MAX_POOL_2D", inputs: [i], outputs: [i + 1], options } as const;
  });
  const map = formatArenaMap(planGraph({ name: "long", tensors, operators, inputs: [0], outputs: [200] }));
  const { ranges, width } = readMap(map.slice(0, map.indexOf("offset")));
  expect(ranges).toEqual([
    [0, 7],
    [0, 7],
    [0, 7],
  ]);
  expect(width).toBeLessThan(120);
  // Index 199, read downwards, heads the last column.
  expect(
    map
      .split("\n\n")[2]!
      .split("\n")
      .slice(0, 3)
      .map((line) => line.at(-1)),
  ).toEqual(["1", "9", "9"]);
});

test("a table aligns its columns", () => {
  const table = formatTable(
    [{ title: "name" }, { title: "n", align: "right" }],
    [
      ["a", "1,000"],
      ["long", "2"],
    ],
  );
  expect(table).toBe("name      n\n----  -----\na     1,000\nlong      2");
});

test("numbers", () => {
  expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
  expect([0.25, Math.fround(0.1), Math.fround(1e-20), Math.fround(0.58470290899)].map(formatFloat)).toEqual([
    "0.25",
    "0.1",
    "1e-20",
    "0.5847029",
  ]);
});

test("JSON keeps lists of numbers on one line, and strings as they are", () => {
  const value = {
    shape: [1, 2, 3],
    text: "[ 1,  2 ]",
    nested: [[1], [2]],
    names: ["a", "b"],
    empty: [],
    none: null,
  };
  const text = formatJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toContain('"shape": [1, 2, 3],');
  expect(text).toContain('"text": "[ 1,  2 ]"');
});

test("progress tells how much is done and how long the rest takes", () => {
  expect(formatProgress("eval", 30, 120, 10_000)).toBe(
    "eval [########----------------------] 30/120, 30 s left",
  );
  expect(formatProgress("eval", 1, 101, 1500)).toMatch(/ 1\/101, 2 min 30 s left$/);
});
