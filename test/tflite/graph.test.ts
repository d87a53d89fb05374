import { describe, expect, it } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { readTflite, type TfliteModel, type TfliteTensor, writeTflite } from "../../src/tflite/index.ts";
import { constant, NETWORK, quantization, SAMPLES, single, tensor } from "./samples.ts";

const throughFile = (graph: Graph) =>
  graphFromTflite(readTflite(writeTflite(tfliteFromGraph(graph))), graph.name);

/** The network as a model, changed. */
function changed(change: (model: TfliteModel, tensors: TfliteTensor[]) => void): TfliteModel {
  const model = structuredClone(tfliteFromGraph(NETWORK));
  change(model, model.subgraphs![0]!.tensors!);
  return model;
}

const operators = (model: TfliteModel) => model.subgraphs![0]!.operators!;

describe("graph to file and back", () => {
  it.each(Object.entries(SAMPLES))("%s", (_, graph) => {
    expect(throughFile(graph)).toEqual(graph);
  });

  it("a network of several operators, with an absent bias", () => {
    expect(throughFile(NETWORK)).toEqual(NETWORK);
  });

  it("an absent bias of a convolution, a grouped one, and keepNumDims", () => {
    const { options } = SAMPLES.CONV_2D.operators[0] as Extract<Graph["operators"][0], { kind: "CONV_2D" }>;
    const grouped = single(
      { kind: "CONV_2D", options },
      [tensor("x", [1, 5, 4, 2]), constant("w", [4, 3, 2, 1]), tensor("y", [1, 3, 4, 4])],
      [0, 1, -1],
    );
    expect(throughFile(grouped)).toEqual(grouped);
    expect(operators(tfliteFromGraph(grouped))[0]!.inputs).toEqual([0, 1]);
    expect(operators(tfliteFromGraph(NETWORK))[4]!.inputs).toEqual([7, 8, -1]);
    expect(tfliteFromGraph(grouped).operatorCodes).toMatchObject([{ builtinCode: 3, version: 6 }]);
    const dense = single({ kind: "FULLY_CONNECTED", options: { activation: "NONE", keepNumDims: true } }, [
      tensor("x", [2, 3, 4]),
      constant("w", [5, 4]),
      constant("b", [5], { dtype: "int32" }),
      tensor("y", [2, 3, 5]),
    ]);
    expect(throughFile(dense)).toEqual(dense);
  });

  it("keeps tensors that share their bytes sharing them", () => {
    const shared = constant("b", [4, 1]);
    const graph = single({ kind: "ADD", options: { activation: "NONE" } }, [
      shared,
      { ...shared, name: "c", shape: [1, 4] },
      tensor("y", [4, 4]),
    ]);
    const back = throughFile(graph);
    expect(back).toEqual(graph);
    expect(back.tensors[0]!.data).toBe(back.tensors[1]!.data);
  });

  it("writes what TensorFlow Lite's kernels look for", () => {
    const options = (graph: Graph) => operators(tfliteFromGraph(graph))[0]!.builtinOptions!.table;
    expect(options(SAMPLES.RESHAPE)).toEqual({ newShape: [2, 20] });
    expect(options(SAMPLES.SQUEEZE)).toEqual({ squeezeDims: [0, 3] });
    expect(options(SAMPLES.ADD)).toEqual({ activation: 2, potScaleInt16: true });
    const codes = tfliteFromGraph(SAMPLES.QUANTIZE).operatorCodes;
    expect(codes).toMatchObject([{ builtinCode: 114, deprecatedBuiltinCode: 114, version: 1 }]);
  });

  it("refuses a graph that is not sound", () => {
    expect(() => tfliteFromGraph({ ...NETWORK, outputs: [99] })).toThrow(
      "graph outputs: names tensor 99; there are 12",
    );
    const squeeze = { ...SAMPLES.SQUEEZE, tensors: [tensor("x", [1, 5, 1, 1]), tensor("y", [1, 4])] };
    expect(() => tfliteFromGraph(squeeze)).toThrow(
      "operator 0 (SQUEEZE): the output is not the input squeezed",
    );
  });
});

describe("import", () => {
  it("takes the larger of the two operator codes", () => {
    const old = changed((model) => {
      for (const code of model.operatorCodes!) code.builtinCode = 0;
    });
    expect(graphFromTflite(old, "network")).toEqual(NETWORK);
  });

  it("makes a dynamic batch 1, however it is written", () => {
    const dynamic = changed((_, tensors) => {
      tensors[0]!.shapeSignature = [-1, 6, 6, 1];
      tensors[1]!.shape = [-1, 6, 6, 1];
      tensors[4]!.shape = [0, 3, 3, 4];
    });
    expect(graphFromTflite(dynamic, "network")).toEqual(NETWORK);
  });

  it("runs one scale along dimension 0, whatever the file says", () => {
    const model = changed((_, tensors) =>
      Object.assign(tensors[8]!.quantization!, { quantizedDimension: 3 }),
    );
    expect(graphFromTflite(model, "network")).toEqual(NETWORK);
  });

  it("gives absent options their initial values, an absent bias -1, and floats no scales", () => {
    const sparse = changed((model, tensors) => {
      operators(model)[0]!.builtinOptions = null;
      operators(model)[4]!.inputs!.pop();
      tensors[11]!.quantization = { ...tensors[1]!.quantization!, scale: [0] };
    });
    expect(graphFromTflite(sparse, "network")).toEqual(NETWORK);
  });

  it("lists all unsupported operators at once", () => {
    const model = changed(({ operatorCodes, ...rest }) => {
      const [quantize, conv, pool, reshape, dense, softmax] = operatorCodes!;
      Object.assign(quantize!, { builtinCode: 16, deprecatedBuiltinCode: 16, version: 2 });
      Object.assign(conv!, { builtinCode: 150, deprecatedBuiltinCode: 127 });
      Object.assign(pool!, { builtinCode: 32, deprecatedBuiltinCode: 32, customCode: 'Flex"Op' });
      Object.assign(reshape!, { builtinCode: 5000 });
      Object.assign(dense!, { version: 99 });
      Object.assign(softmax!, { builtinCode: -1, deprecatedBuiltinCode: -3 });
      rest.subgraphs![0]!.operators![6]!.opcodeIndex = 77;
    });
    expect(() => graphFromTflite(model, "net.tflite")).toThrow(
      new ThumbnetError(
        [
          "net.tflite: cannot import the model:",
          "operator 0 (LSTM version 2): is not supported",
          "operator 1 (GELU version 3): is not supported",
          'operator 2 (custom "Flex\\"Op" version 2): is not supported',
          "operator 3 (builtin operator 5000 version 1): is not supported",
          "operator 4 (FULLY_CONNECTED version 99): has that version; supported: 1 to 14",
          "operator 5 (builtin operator -1 version 2): is not supported",
          "operator 6: names operator code 77, which is not there",
          `supported operators: ${Object.keys(SAMPLES).join(", ")}`,
        ].join("\n  "),
      ),
    );
  });

  const refused: [string, (model: TfliteModel, tensors: TfliteTensor[]) => void, string | RegExp][] = [
    ["no subgraph", (model) => model.subgraphs!.pop(), "has 0 subgraphs; supported: 1"],
    [
      "two subgraphs",
      (model) => model.subgraphs!.push(model.subgraphs![0]!),
      "has 2 subgraphs; supported: 1",
    ],
    [
      "an element type",
      (_, t) => Object.assign(t[4]!, { type: 17 }),
      'tensor 4 "features": has the element type INT4',
    ],
    [
      "no element type",
      (_, t) => Object.assign(t[4]!, { type: -5 }),
      'tensor 4 "features": has the element type -5',
    ],
    [
      "a variable",
      (_, t) => Object.assign(t[4]!, { isVariable: true }),
      'tensor 4 "features": is a variable',
    ],
    ["a sparse tensor", (_, t) => Object.assign(t[2]!, { sparsity: true }), 'tensor 2 "w": is sparse'],
    [
      "an external buffer",
      (_, t) => Object.assign(t[2]!, { externalBuffer: 1 }),
      "keeps its data in another file",
    ],
    [
      "a newer field",
      (_, t) => Object.assign(t[2]!, { undescribed: [12] }),
      "has fields of a newer schema (slots 12)",
    ],
    [
      "a buffer out of range",
      (_, t) => Object.assign(t[2]!, { buffer: 5 }),
      'tensor 2 "w": names buffer 5; there are 5',
    ],
    [
      "a dynamic height",
      (_, t) => Object.assign(t[4]!, { shapeSignature: [-1, -1, 3, 4] }),
      "dimension 1 is dynamic",
    ],
    [
      "a constant's shape",
      (_, t) => Object.assign(t[2]!, { shape: [-1, 3, 3, 1] }),
      "the shape [-1,3,3,1]; supported",
    ],
    [
      "a dimension of 0",
      (_, t) => Object.assign(t[4]!, { shape: [1, 0, 3, 4] }),
      "the shape [1,0,3,4]; supported",
    ],
    [
      "too many dimensions",
      (_, t) => Object.assign(t[4]!, { shape: Array(9).fill(1) }),
      "has 9 dimensions; supported",
    ],
    [
      "an absurd shape",
      (_, t) => Object.assign(t[4]!, { shape: Array(4).fill(2 ** 31 - 1) }),
      "of int8 is too large; supported: up to 268435456 bytes",
    ],
    [
      "a data length",
      (_, t) => Object.assign(t[2]!, { shape: [4, 3, 3, 2] }),
      "holds 36 bytes, but [4,3,3,2] of int8 takes 72",
    ],
    [
      "a scale of 0",
      (_, t) => (t[4]!.quantization!.scale = [0]),
      "has the scale 0; supported: float32 values",
    ],
    ["a negative scale", (_, t) => (t[2]!.quantization!.scale![3] = -1), "has the scale -1; supported"],
    [
      "an infinite scale",
      (_, t) => (t[4]!.quantization!.scale = [Number.POSITIVE_INFINITY]),
      "has the scale Infinity",
    ],
    ["a scale of NaN", (_, t) => (t[4]!.quantization!.scale = [Number.NaN]), "has the scale NaN; supported"],
    [
      "too few scales",
      (_, t) => t[2]!.quantization!.scale!.pop(),
      "has 3 scales along dimension 0 of [4,3,3,1]",
    ],
    [
      "a wrong dimension",
      (_, t) => (t[2]!.quantization!.quantizedDimension = 1),
      "supported: one or the 3 of dimension 1",
    ],
    [
      "no such dimension",
      (_, t) => (t[2]!.quantization!.quantizedDimension = -1),
      "of [4,3,3,1]; supported: one",
    ],
    ["too few zero points", (_, t) => t[2]!.quantization!.zeroPoint!.pop(), "has 4 scales but 3 zero points"],
    ["no zero points", (_, t) => (t[4]!.quantization!.zeroPoint = null), "has 1 scales but 0 zero points"],
    [
      "a zero point",
      (_, t) => (t[4]!.quantization!.zeroPoint = [128n]),
      "has the zero point 128; supported for int8: -128 to 127",
    ],
    [
      "custom quantization",
      (_, t) => (t[4]!.quantization!.details = { type: 2, table: {} }),
      "has custom or blockwise quantization",
    ],
    [
      "an input out of range",
      (m) => (operators(m)[1]!.inputs![0] = 12),
      "operator 1 (CONV_2D): names tensor 12; there are 12",
    ],
    [
      "an output out of range",
      (m) => (operators(m)[1]!.outputs![0] = -1),
      "operator 1 (CONV_2D): names tensor -1",
    ],
    ["an absent input", (m) => (operators(m)[1]!.inputs![1] = -1), "operator 1 (CONV_2D): names tensor -1"],
    ["one input", (m) => (operators(m)[1]!.inputs = [1]), "operator 1 (CONV_2D): has 1 inputs; supported: 3"],
    [
      "three inputs",
      (m) => (operators(m)[3]!.inputs = [5, 6, 6]),
      "(RESHAPE): has 3 inputs; supported: 1 or 2",
    ],
    [
      "no outputs",
      (m) => (operators(m)[1]!.outputs = null),
      "operator 1 (CONV_2D): has 0 outputs; supported: 1",
    ],
    [
      "a cycle",
      (m) => (operators(m)[1]!.inputs![0] = 4),
      '(CONV_2D): reads tensor 4 "features", which nothing has written',
    ],
    [
      "operators out of order",
      (m) => operators(m).reverse(),
      '(DEQUANTIZE): reads tensor 10 "softmax", which nothing',
    ],
    [
      "a tensor written twice",
      (m) => (operators(m)[2]!.outputs = [4]),
      'writes tensor 4 "features", which already has content',
    ],
    [
      "a constant written",
      (m) => (operators(m)[1]!.outputs = [2]),
      'writes tensor 2 "w", which already has content',
    ],
    [
      "an input written",
      (m) => (operators(m)[0]!.outputs = [0]),
      'writes tensor 0 "input", which already has content',
    ],
    [
      "a constant as input",
      (m) => (m.subgraphs![0]!.inputs = [0, 2]),
      'tensor 2 "w": is both a graph input and constant',
    ],
    ["an input twice", (m) => (m.subgraphs![0]!.inputs = [0, 0]), 'tensor 0 "input": is a graph input twice'],
    [
      "an input that is not there",
      (m) => (m.subgraphs![0]!.inputs = [0, 12]),
      "graph inputs: names tensor 12",
    ],
    [
      "an unwritten output",
      (m) => operators(m).pop(),
      'tensor 11 "output": is a graph output that nothing writes',
    ],
    [
      "a fused tanh",
      (m) => (operators(m)[1]!.builtinOptions!.table!.activation = 4),
      "has the activation TANH; supported: NONE, RELU",
    ],
    [
      "a padding",
      (m) => (operators(m)[1]!.builtinOptions!.table!.padding = 2),
      "has the padding 2; supported: SAME, VALID",
    ],
    [
      "other options",
      (m) => (operators(m)[1]!.builtinOptions!.type = 5),
      "(CONV_2D version 3): has options of type 5; supported: 1",
    ],
    [
      "newer options",
      (m) => (operators(m)[1]!.builtinOptions!.table!.undescribed = [7]),
      "has fields of a newer schema in its options (slots 7)",
    ],
    [
      "shuffled weights",
      (m) => (operators(m)[4]!.builtinOptions!.table!.weightsFormat = 1),
      "has shuffled weights",
    ],
  ];

  it.each(refused)("refuses %s", (_, change, message) => {
    const model = changed(change);
    expect(() => graphFromTflite(model, "network")).toThrow(ThumbnetError);
    expect(() => graphFromTflite(model, "network")).toThrow(message);
  });

  it("shows no more of a hostile file's problems, and of its names, than a person reads", () => {
    const model = changed((_, tensors) => {
      for (let i = 0; i < 1000; i++) tensors.push({ ...tensors[4]!, name: "n".repeat(10_000), type: 5 });
    });
    expect(() => graphFromTflite(model, "network")).toThrow("… and 800 more");
    try {
      graphFromTflite(model, "network");
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(40_000);
    }
  });
});

describe("files of other kinds", () => {
  it("keep unsupported operators, custom ones with their options", () => {
    const model = changed(({ operatorCodes, ...rest }) => {
      Object.assign(operatorCodes![1]!, { builtinCode: 32, deprecatedBuiltinCode: 32, customCode: "Mine" });
      const [first, second] = rest.subgraphs![0]!.operators!;
      Object.assign(first!, {
        builtinOptions: { type: 33, table: {} },
        mutatingVariableInputs: [true],
        intermediates: [],
      });
      Object.assign(second!, { builtinOptions: null, customOptions: Uint8Array.of(1, 2, 3) });
    });
    expect(readTflite(writeTflite(model))).toEqual(model);
  });

  it("refuses data outside the flatbuffer, and another schema version", () => {
    const outside = changed((model) => Object.assign(model.buffers![1]!, { offset: 4096n, size: 36n }));
    expect(() => writeTflite(outside)).toThrow("keeps data outside its flatbuffer");
    const version = changed((model) => Object.assign(model, { version: 2 }));
    expect(() => readTflite(writeTflite(version), "old.tflite")).toThrow(
      "old.tflite: .tflite schema version 2",
    );
  });

  it("refuses to write what it read without understanding", () => {
    const sparse = changed((_, tensors) => Object.assign(tensors[2]!, { sparsity: true }));
    expect(() => writeTflite(sparse)).toThrow(
      "model.subgraphs[0].tensors[2]: thumbnet does not know the content of sparsity",
    );
  });

  it("keeps a scale that only float32 can tell apart", () => {
    const graph = {
      ...SAMPLES.RELU,
      tensors: SAMPLES.RELU.tensors.map((t) => ({ ...t, quantization: quantization(1e-7 / 3) })),
    };
    expect(throughFile(graph).tensors[0]!.quantization!.scales[0]).toBe(Math.fround(1e-7 / 3));
  });
});
