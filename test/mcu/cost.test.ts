// The cost model against the emulated chip, on networks that it was not fitted to.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { COEFFICIENTS, FITTED_TO, STACK } from "../../src/mcu/cost/coefficients.ts";
import { estimateChip } from "../../src/mcu/cost/estimate.ts";
import { type Coefficients, predictCycles } from "../../src/mcu/cost/model.ts";
import { createEmulator } from "../../src/mcu/emulator.ts";
import { loadFirmware } from "../../src/mcu/firmware.ts";
import { compileGraph, compileTflite } from "../../src/plan/compile.ts";
import { disassemble } from "../../src/plan/disassemble.ts";
import { KERNELS } from "../../src/plan/layout.ts";
import { OPTIMIZE } from "../../src/plan/plan.ts";
import { Random } from "../support/random.ts";
import { OPERATOR_KINDS, randomGraph } from "../support/random-graph.ts";
import { hasShared, readShared } from "../support/shared.ts";

const TOLERANCE = 0.05;
const NETWORKS = 40;
const REFERENCES = [
  "kws_ref_model",
  "vww_96_int8",
  "pretrainedResnet_quant",
  "ad01_int8",
  "str_ww_ref_model",
] as const;
/** Takes as many exponentials as elements of its input are large: no shape says how long that is. */
const UNPREDICTABLE = "SOFTMAX";

const { sha256 } = loadFirmware();
/** What to do when a prediction is off. */
const hint =
  sha256 === FITTED_TO
    ? "the counts of src/mcu/cost do not say what the kernels do"
    : "the firmware is not the one that was fitted to: run node scripts/fit-cost-model.mjs";

function expectClose(predicted: number, emulated: number, what: string): void {
  const error = predicted / emulated - 1;
  const message = `${what}: ${predicted} cycles predicted, ${emulated} emulated; ${hint}`;
  expect(Math.abs(error), message).toBeLessThan(TOLERANCE);
}

describe("the cost model", () => {
  it("predicts sums in three roundings, for which the planner finds no constants", () => {
    const int8 = (name: string, scale: number, zeroPoint: number) => {
      const quantization = { scales: [scale], zeroPoints: [zeroPoint], axis: 0 };
      return { name, shape: [1, 8, 8, 16], dtype: "int8" as const, quantization, data: null };
    };
    const graph: Graph = {
      name: "sum",
      tensors: [int8("a", 1, 3), int8("b", 0.75, -7), int8("sum", 1, 10)],
      operators: [{ kind: "ADD", inputs: [0, 1], outputs: [2], options: { activation: "NONE" } }],
      inputs: [0, 1],
      outputs: [2],
    };
    const image = compileGraph(graph);
    const [record] = disassemble(image);
    expect(record!.fields.sumShift).toBe(0);
    const random = new Random(1);
    const inputs = [0, 1].map(() => Int8Array.from({ length: 1024 }, () => random.integer(-128, 127)));
    const { cycles, stackBytes } = createEmulator(image).run(inputs);
    expectClose(predictCycles(image).cycles, cycles, "sum");
    expect(STACK.add_s8).toBeGreaterThanOrEqual(stackBytes);
  });

  it("has coefficients and stack for every kernel, none below 0", () => {
    expect(Object.keys(COEFFICIENTS).sort()).toEqual(Object.keys(KERNELS).sort());
    expect(Object.keys(STACK).sort()).toEqual(Object.keys(KERNELS).sort());
    for (const [kernel, values] of Object.entries(COEFFICIENTS as Coefficients)) {
      expect(Math.min(...Object.values(values)), kernel).toBeGreaterThanOrEqual(0);
      expect(Math.max(...Object.values(values)), kernel).toBeGreaterThan(0);
    }
  });

  it(`predicts random networks within ${100 * TOLERANCE} %`, () => {
    const kinds = OPERATOR_KINDS.filter((kind) => kind !== UNPREDICTABLE);
    for (let seed = 0; seed < NETWORKS; seed++) {
      const { graph, inputs } = randomGraph(6000 + seed, { operators: 10, elements: 6000, kinds });
      const image = compileGraph(graph);
      const { cycles } = createEmulator(image).run(inputs);
      expectClose(predictCycles(image).cycles, cycles, graph.name);
    }
  });

  it("gives every operator its own cycles, those without work none", () => {
    const { graph, inputs } = randomGraph(6007, { operators: 12, kinds: ["CONV_2D", "RESHAPE", "ADD"] });
    const image = compileGraph(graph);
    const { operators } = createEmulator(image).run(inputs);
    const predicted = predictCycles(image).operators;
    expect(predicted.map(({ index }) => index)).toEqual(operators.map(({ index }) => index));
    expect(predicted.map(({ cycles }) => cycles > 0)).toEqual(operators.map(({ cycles }) => cycles > 0));
  });

  it("is given for a file as for its image, and for every aim as it is emulated", () => {
    const tflite = new Uint8Array(
      readFileSync(new URL("../../models/cifar10/cifar10.tflite", import.meta.url)),
    );
    const estimates = OPTIMIZE.map((optimize) => {
      const estimate = estimateChip(tflite, { optimize, name: "cifar10" });
      expect(estimate).toEqual(estimateChip(compileTflite(tflite, "cifar10", { optimize })));
      const emulator = createEmulator(tflite, { optimize });
      const { cycles } = emulator.run(emulator.inputs.map(({ elements }) => new Int8Array(elements)));
      expectClose(estimate.cycles, cycles, optimize);
      return estimate;
    });
    expect(new Set(estimates.map(({ ram, cycles }) => `${ram} ${cycles}`)).size).toBeGreaterThan(1);
    const damaged = () => estimateChip(tflite.subarray(0, 1000), { name: "cifar10" });
    expect(damaged).toThrow(ThumbnetError);
    expect(damaged).toThrow(/^cifar10: /);
  });

  it.skipIf(!hasShared).each(REFERENCES)("predicts %s, whatever it is planned for", (name) => {
    const tflite = readShared("models", "mlperf-tiny", `${name}.tflite`);
    for (const optimize of OPTIMIZE) {
      const image = compileTflite(tflite, name, { optimize });
      const emulator = createEmulator(image);
      const random = new Random(1);
      const inputs = emulator.inputs.map(({ elements }) =>
        Int8Array.from({ length: elements }, () => random.integer(-128, 127)),
      );
      const { cycles } = emulator.run(inputs);
      expectClose(predictCycles(image).cycles, cycles, `${name}, ${optimize}`);
    }
  });
});
