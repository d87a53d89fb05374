import { describe, expect, it } from "vitest";
import type { Graph, Tensor } from "../../src/graph/graph.ts";
import { bias, integers, problems, quantization, single, tensor, vary } from "./samples.ts";

describe("shapes", () => {
  const shape = (...dimensions: number[]): Partial<Tensor> => ({ shape: dimensions });
  const x = tensor("x", [1, 5, 4, 2]);
  const nothing = { options: {} };

  it.each<[string, Graph, string]>([
    [
      "a convolution's output",
      vary("CONV_2D", { 3: shape(1, 3, 3, 3) }),
      'output "y" has the shape [1,3,3,3]; expected [1,3,4,3]',
    ],
    [
      "a stride of 0",
      vary("CONV_2D", {}, { strideWidth: 0 }),
      "has the strideWidth 0; supported: 1 and more",
    ],
    [
      "a negative dilation",
      vary("DEPTHWISE_CONV_2D", {}, { dilationHeight: -1 }),
      "has the dilationHeight -1",
    ],
    ["a filter of 0", vary("MAX_POOL_2D", {}, { filterHeight: 0 }), "has the filterHeight 0; supported"],
    [
      "a window that does not fit",
      vary("MAX_POOL_2D", {}, { filterHeight: 6 }),
      "a VALID window of 6 does not fit an input of 5",
    ],
    [
      "an input of 3 dimensions",
      vary("CONV_2D", { 0: shape(5, 4, 2) }),
      'input "x" has the shape [5,4,2]; supported: 4 dimensions',
    ],
    ["groups", vary("CONV_2D", { 0: shape(1, 5, 4, 3) }), "weights [3,3,2,2] do not fit the input [1,5,4,3]"],
    [
      "groups of outputs",
      vary("CONV_2D", { 0: shape(1, 5, 4, 4) }),
      "weights [3,3,2,2] do not fit the input [1,5,4,4]",
    ],
    ["a bias", vary("CONV_2D", { 2: bias(1, 2, 3, 4) }), 'bias "bias" has the shape [4]; expected [3]'],
    [
      "a depth multiplier",
      vary("DEPTHWISE_CONV_2D", {}, { depthMultiplier: 3 }),
      "a depth multiplier of 3; supported: [1,KH,KW,6]",
    ],
    [
      "a dense depth",
      vary("FULLY_CONNECTED", { 0: shape(1, 39) }),
      "weights [3,40] do not fit the input [1,39]",
    ],
    [
      "a dense output",
      vary("FULLY_CONNECTED", { 3: shape(3) }),
      'output "y" has the shape [3]; expected [1,3]',
    ],
    [
      "keepNumDims",
      vary("FULLY_CONNECTED", {}, { keepNumDims: true }),
      "weights [3,40] do not fit the input [1,5,4,2]",
    ],
    ["a pooled output", vary("AVERAGE_POOL_2D", { 1: shape(1, 3, 4, 1) }), "expected [1,3,4,2]"],
    ["a broadcast", vary("ADD", { 1: shape(3, 1) }), "[1,5,4,2] and [3,1] do not broadcast"],
    ["a broadcast output", vary("MUL", { 2: shape(5, 4, 2) }), "has the shape [5,4,2]; expected [1,5,4,2]"],
    [
      "negative padding",
      vary("PAD", { 1: integers("p", [4, 2], [0, 0, -1, 0, 0, 0, 0, 0]) }),
      "supported: [4,2] of 0 and more",
    ],
    [
      "a paddings shape",
      vary("PAD", { 1: integers("p", [2, 4], [0, 0, 1, 2, 0, 3, 0, 0]) }),
      "paddings [2,4] of",
    ],
    [
      "many paddings",
      vary("PAD", { 1: integers("p", [5, 2], Array(10).fill(0)) }),
      '"p" has 10 elements; supported: up to 8',
    ],
    [
      "float paddings",
      vary("PAD", { 1: { dtype: "float32" } }),
      '"paddings" is constant float32; supported: constant int32 or int64',
    ],
    [
      "an axis",
      vary("MEAN", { 1: integers("axes", [1], [4]) }),
      "has the axis 4; supported for 4 dimensions: -4 to 3",
    ],
    ["a mean without keepDims", vary("MEAN", {}, { keepDims: false }), "expected [1,2]"],
    [
      "a concatenation's axis",
      vary("CONCATENATION", {}, { axis: 4 }),
      "has the axis 4; supported for 4 dimensions",
    ],
    [
      "a concatenation",
      vary("CONCATENATION", {}, { axis: 1 }),
      "[1,5,4,2] and [1,5,4,1] do not concatenate along axis 1",
    ],
    [
      "a reshaped size",
      vary("RESHAPE", { 1: shape(2, 21) }),
      "output [2,21] does not fit the input [1,5,4,2]",
    ],
    [
      "a squeezed dimension of 2",
      single({ kind: "SQUEEZE", options: {} }, [tensor("x", [2, 5]), tensor("y", [5])]),
      "output [5] does not fit the input [2,5]",
    ],
    [
      "a squeezed shape",
      vary("SQUEEZE", { 1: shape(1, 5, 1, 1, 1) }),
      "output [1,5,1,1,1] does not fit the input [1,5,1,1]",
    ],
    [
      "an expanded axis",
      vary("EXPAND_DIMS", { 1: integers("axis", [1], [5]) }),
      "has the axis 5; supported for 5 dimensions: -5 to 4",
    ],
    [
      "a scalar softmax",
      single({ kind: "SOFTMAX", options: { beta: 1 } }, [
        tensor("x", []),
        tensor("y", [], { quantization: quantization(1 / 256, -128) }),
      ]),
      "has a scalar input",
    ],
    [
      "an activation's shape",
      vary("RELU6", { 1: shape(5, 4, 2) }),
      "has the shape [5,4,2]; expected [1,5,4,2]",
    ],
  ])("refuses %s", (_, graph, message) => {
    const found = problems(graph);
    expect(found[1]).toContain(`operator 0 (${graph.name}): `);
    expect(found[1]).toContain(message);
  });

  it("reads axes of int64 where they are supported", () => {
    const wide = (values: bigint[], dimensions: number[]) =>
      tensor("i", dimensions, { dtype: "int64", data: new Uint8Array(BigInt64Array.from(values).buffer) });
    const paddings = wide([0n, 0n, 1n, 0n, 0n, 0n, 0n, 0n], [4, 2]);
    expect(problems(single({ kind: "PAD", ...nothing }, [x, paddings, tensor("y", [1, 6, 4, 2])]))).toEqual(
      [],
    );
    expect(problems(vary("MEAN", { 1: wide([1n, -2n], [2]) }))[1]).toContain(
      'axes "i" are int64; supported: int32',
    );
  });
});
