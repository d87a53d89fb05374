import { describe, expect, it } from "vitest";
import { checkInt8 } from "../../src/graph/check.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import type { Exit, Graph } from "../../src/graph/graph.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { readTflite, type TfliteModel, writeTflite } from "../../src/tflite/index.ts";
import { exitNetwork } from "../support/exit-network.ts";
import { tensor } from "./samples.ts";

const throughFile = (graph: Graph) =>
  graphFromTflite(readTflite(writeTflite(tfliteFromGraph(graph))), graph.name);

const named = (graph: Graph, name: string) => graph.tensors.findIndex((t) => t.name === name);

/** The network with its two exits changed. */
function withExits(...changes: Partial<Exit>[]): Graph {
  const graph = exitNetwork();
  return { ...graph, exits: graph.exits!.map((exit, i) => ({ ...exit, ...changes[i] })) };
}

/** The network's file with other metadata. */
function withMetadata(content: unknown): TfliteModel {
  const model = tfliteFromGraph(exitNetwork());
  const text = typeof content === "string" ? content : JSON.stringify(content);
  model.buffers![model.metadata![0]!.buffer]!.data = new TextEncoder().encode(text);
  return model;
}

const entry = (changes: object = {}) => ({
  version: 1,
  exits: [{ tensor: "exit0", criterion: "top", thresholds: [0.5], ...changes }],
});

describe("exits in a file", () => {
  it("come back, in order, with criteria and thresholds of each class", () => {
    const graph = exitNetwork(3, [
      { thresholds: [0.9] },
      { criterion: "margin", thresholds: [0.1, 1, 1 / 3] },
    ]);
    expect(throughFile(graph)).toEqual(graph);
  });

  it("stand as JSON in a metadata entry, the final output first", () => {
    const model = readTflite(writeTflite(tfliteFromGraph(exitNetwork())));
    expect(model.metadata!.map(({ name }) => name)).toEqual(["thumbnet.exits"]);
    const data = model.buffers![model.metadata![0]!.buffer]!.data!;
    expect(JSON.parse(new TextDecoder().decode(data))).toEqual({
      version: 1,
      exits: [
        { tensor: "exit0", criterion: "top", thresholds: [0.75] },
        { tensor: "exit1", criterion: "top", thresholds: [0.75] },
      ],
    });
    const { outputs, tensors } = model.subgraphs![0]!;
    expect([...outputs!].map((t) => tensors![t]!.name)).toEqual(["final", "exit0", "exit1"]);
  });

  it("are absent where the graph has none", () => {
    const { exits: _, ...plain } = exitNetwork();
    expect(tfliteFromGraph(plain).metadata).toBeNull();
    expect(throughFile(plain)).toEqual(plain);
    expect(throughFile({ ...plain, exits: [] })).toEqual(plain);
  });

  it("of a float network need no probabilities", () => {
    const graph = exitNetwork();
    const logits = [named(graph, "final"), named(graph, "exit0"), named(graph, "exit1")];
    const tensors = graph.tensors.map((t, i) =>
      logits.includes(i) ? { ...t, dtype: "float32" as const, quantization: null } : t,
    );
    expect(throughFile({ ...graph, tensors }).exits).toEqual(graph.exits);
  });

  it.each<[string, unknown, string]>([
    ["no JSON", "{", 'exit network: the metadata "thumbnet.exits" is no JSON object'],
    ["a list", [], "is no JSON object"],
    ["another version", { version: 2, exits: [] }, 'has the version "2"; supported: 1'],
    ["no list of exits", { version: 1, exits: {} }, 'has the exits "{}"; supported: a list'],
    ["an exit that is none", { version: 1, exits: [7] }, 'has as exit 0 "7"; supported: an object'],
    [
      "a tensor that is no output",
      entry({ tensor: "block1" }),
      'has for exit 0 the tensor "block1", which is no output; the outputs are "final", "exit0", "exit1"',
    ],
    ["no tensor", entry({ tensor: undefined }), 'the tensor "undefined", which is no output'],
    ["another criterion", entry({ criterion: "entropy" }), 'the criterion "entropy"; supported: top, margin'],
    ["a threshold that is no number", entry({ thresholds: ["0.5"] }), "supported: a list of numbers"],
    ["one threshold, no list", entry({ thresholds: 0.5 }), 'the thresholds "0.5"; supported: a list'],
  ])("refuses %s", (_, content, message) => {
    expect(() => graphFromTflite(withMetadata(content), "exit network")).toThrow(message);
  });

  it("refuses two entries, an entry without content, and outputs of one name", () => {
    const twice = tfliteFromGraph(exitNetwork());
    twice.metadata!.push(twice.metadata![0]!);
    expect(() => graphFromTflite(twice, "m")).toThrow('m: the metadata "thumbnet.exits" is there 2 times');
    const empty = tfliteFromGraph(exitNetwork());
    empty.metadata![0]!.buffer = 0;
    expect(() => graphFromTflite(empty, "m")).toThrow("names buffer 0, which has no content");
    const graph = exitNetwork();
    const tensors = graph.tensors.map((t) => (t.name === "final" ? { ...t, name: "exit0" } : t));
    expect(() => tfliteFromGraph({ ...graph, tensors })).toThrow(
      '2 outputs have the name "exit0" of an exit',
    );
    const model = withMetadata(entry());
    for (const t of model.subgraphs![0]!.tensors!) if (t.name === "final") t.name = "exit0";
    expect(() => graphFromTflite(model, "m")).toThrow('"exit0", which is the name of 2 outputs');
  });
});

describe("what exits must be", () => {
  const refused = (graph: Graph) => {
    try {
      checkInt8(graph);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };

  it("accepts the network", () => expect(refused(exitNetwork())).toBe(""));

  it.each([0, -0.1, 1.01, Number.NaN])("refuses the threshold %s", (threshold) => {
    expect(refused(withExits({}, { thresholds: [0.5, threshold, 1] }))).toContain(
      `exit network: not a sound graph:\n  exit 1 ("exit1"): has the threshold ${threshold}; supported: above 0, up to 1`,
    );
  });

  it("refuses a wrong number of thresholds", () => {
    expect(refused(withExits({ thresholds: [0.5, 0.5] }))).toContain(
      "has 2 thresholds; supported: 1, or 1 for",
    );
    expect(refused(withExits({ thresholds: [] }))).toContain("has 0 thresholds");
  });

  it("refuses a tensor that is no output, is not there, or is an exit twice", () => {
    const graph = exitNetwork();
    expect(refused(withExits({ tensor: named(graph, "block2") }))).toContain(
      'exit 0 ("block2"): is no output of the graph',
    );
    expect(refused(withExits({ tensor: 999 }))).toContain("exit 0: names tensor 999, which is not there");
    expect(refused(withExits({}, { tensor: named(graph, "exit0") }))).toContain(
      'exit 1 ("exit0"): is exit 0 as well',
    );
  });

  it("refuses exits in another order, and more or less than one final output", () => {
    const graph = exitNetwork();
    expect(refused({ ...graph, exits: graph.exits!.toReversed() })).toContain(
      'exit 1 ("exit0"): is computed before exit 0; supported: exits in the order of their computation',
    );
    expect(refused({ ...graph, exits: graph.exits!.slice(0, 1) })).toContain(
      "leave 2 of 3 outputs; supported: 1, the final one",
    );
    expect(refused({ ...graph, outputs: graph.outputs.slice(1) })).toContain("leave 0 of 2 outputs");
  });

  it("refuses another criterion and another shape", () => {
    expect(refused(withExits({ criterion: "entropy" as "top" }))).toContain('has the criterion "entropy"');
    const graph = exitNetwork();
    const block = named(graph, "block1");
    expect(
      refused({
        ...graph,
        outputs: [graph.outputs[0]!, block],
        exits: [{ ...graph.exits![0]!, tensor: block }],
      }),
    ).toContain("has the shape [1,6,6,4]; supported: [1,classes]");
    const tensors = graph.tensors.map((t) => (t.name === "final" ? tensor("final", [1, 4]) : t));
    expect(refused({ ...graph, tensors })).toContain(
      'exit 0 ("exit0"): has the shape [1,3], the final output [1,4]; supported: the same',
    );
  });

  it("refuses int8 exits, or a final output, that hold no probabilities", () => {
    const graph = exitNetwork();
    const tensors = graph.tensors.map((t) => (t.name === "final/logits" ? { ...t, name: "l" } : t));
    const final = named({ ...graph, tensors }, "l");
    expect(refused({ ...graph, tensors, outputs: [final, ...graph.outputs.slice(1)] })).toContain(
      'final output "l": is int8, scale 0.05000000074505806, zero point 3; supported: probabilities as of a SOFTMAX',
    );
    const logits = named(graph, "exit0/logits");
    const outputs = graph.outputs.map((t) => (t === graph.exits![0]!.tensor ? logits : t));
    expect(
      refused({ ...graph, outputs, exits: [{ ...graph.exits![0]!, tensor: logits }, graph.exits![1]!] }),
    ).toContain(
      'exit 0 ("exit0/logits"): is int8, scale 0.05000000074505806, zero point 3; supported: probabilities as of a SOFTMAX',
    );
  });
});
