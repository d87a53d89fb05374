import { expect, test } from "vitest";
import type { Graph, Operator } from "../../src/graph/graph.ts";
import { exactChannels, isWindowed, preferredShifts } from "../../src/plan/for-chip.ts";
import { lowerDepthwise } from "../../src/plan/lower/windows.ts";
import { overreach } from "../../src/plan/two-part.ts";
import { equalized } from "../../src/quantize/equalize.ts";
import { FloatModel } from "../../src/quantize/float-model.ts";
import { quantizeGraph } from "../../src/quantize/quantize.ts";
import { dscnn } from "../../src/train/network/factories.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { randomInput, randomParameters } from "../support/networks.ts";

const NETWORK = dscnn({ filters: 8, blocks: 2 });
const FLOAT = graphFromNetwork(NETWORK, randomParameters(NETWORK, 3));
const CALIBRATION = Array.from({ length: 4 }, (_, i) => randomInput(NETWORK, i));
const INT8 = quantizeGraph(FLOAT, CALIBRATION);
const DEPTHWISE = FLOAT.operators.findIndex(({ kind }) => kind === "DEPTHWISE_CONV_2D");
const OUTPUT = FLOAT.operators[DEPTHWISE]!.outputs[0]!;

/** The int8 graph with the output of the depthwise operator in finer steps, of which sums reach more. */
function narrowed(by: number): Graph {
  const index = INT8.operators[DEPTHWISE]!.outputs[0]!;
  const tensors = INT8.tensors.map((tensor, i) =>
    i === index
      ? {
          ...tensor,
          quantization: { ...tensor.quantization!, scales: [tensor.quantization!.scales[0]! / by] },
        }
      : tensor,
  );
  return { ...INT8, tensors };
}

/** By how much sums of each depthwise convolution reach too far. */
function farthest(graph: Graph): number[] {
  return graph.operators.flatMap((op) => {
    if (op.kind !== "DEPTHWISE_CONV_2D") return [];
    const call = lowerDepthwise(graph, op).find(isWindowed)!;
    return [Math.max(...exactChannels(call)!.map((c) => overreach(c, preferredShifts(call)!)))];
  });
}

const withActivation = (activation: "RELU6" | "RELU"): Graph => ({
  ...FLOAT,
  operators: FLOAT.operators.map((op, i) =>
    i === DEPTHWISE ? ({ ...op, options: { ...op.options, activation } } as Operator) : op,
  ),
});

test("channels that reach too far are made smaller, and the network stays the same", () => {
  expect(equalized(FLOAT, INT8)).toBeNull();
  const other = equalized(FLOAT, narrowed(64))!;
  const [before, after] = [new FloatModel(FLOAT), new FloatModel(other)];
  const weights = FLOAT.operators[DEPTHWISE]!.inputs[1]!;
  expect(after.constant(weights)).not.toEqual(before.constant(weights));
  for (const input of CALIBRATION) {
    const expected = before.run(input);
    after.run(input).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 5);
    });
  }
});

test("only where what lies between is homogeneous, and convolutions alone read it", () => {
  expect(equalized(withActivation("RELU"), narrowed(64))).not.toBeNull();
  expect(equalized(withActivation("RELU6"), narrowed(64))).toBeNull();
  expect(equalized({ ...FLOAT, outputs: [...FLOAT.outputs, OUTPUT] }, narrowed(64))).toBeNull();
});

test("quantised networks have sums that the chip's quick loop carries, whatever their range", () => {
  const { name } = FLOAT.tensors[OUTPUT]!;
  const { scales, zeroPoints } = INT8.tensors[INT8.operators[DEPTHWISE]!.outputs[0]!]!.quantization!;
  const affines = { [name]: { scale: scales[0]! / 64, zeroPoint: zeroPoints[0]! } };
  expect(Math.max(...farthest(narrowed(64)))).toBeGreaterThan(1);
  expect(Math.max(...farthest(quantizeGraph(FLOAT, CALIBRATION, { affines })))).toBeLessThanOrEqual(1);
});
