// The shipped network with early exits: every implementation stops at the same exit with the same arena.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openInputs } from "../../src/data/inputs.ts";
import { openTrainingSet } from "../../src/data/open-set.ts";
import { inputsOf } from "../../src/data/training-set.ts";
import { finalOutput } from "../../src/graph/exits.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { Verification } from "../../src/mcu/verify.ts";
import { compileTflite } from "../../src/plan/compile.ts";
import { readImage } from "../../src/plan/image.ts";
import { loadModel } from "../../src/runtime/load.ts";
import type { InputData } from "../../src/runtime/tensors.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { IMPLEMENTATIONS, SOAK } from "../support/implementations.ts";
import { hasShared, sharedPath } from "../support/shared.ts";

const KWS = fileURLToPath(new URL("../../models/kws", import.meta.url));
const BYTES = readFileSync(`${KWS}/kws-exits.tflite`);
const GRAPH = graphFromTflite(readTflite(BYTES), "kws-exits");
const IMAGE = readImage(compileTflite(BYTES, "kws-exits.tflite"));

/** How many inputs each output answered, final one first. @param read the inputs, one after the other */
async function compare(count: number, read: (index: number) => Promise<InputData>): Promise<number[]> {
  const verification = new Verification(IMAGE, IMPLEMENTATIONS);
  const answered = IMAGE.outputs.map(() => 0);
  for (let i = 0; i < count; i++) answered[(await verification.add([await read(i)], i)).answered]!++;
  for (const { name, inputs, difference } of verification.verdicts) {
    expect(difference, name).toBeNull();
    expect([name, inputs]).toEqual([name, count]);
  }
  return answered;
}

describe("models/kws/kws-exits.tflite", () => {
  it("stops at the same exit with the same bytes on every implementation", async () => {
    const { inputs } = await loadModel(IMAGE.bytes);
    const samples = await openInputs([`${KWS}/samples`], inputs, { inputType: "auto" });
    const answered = await compare(samples.count, async (i) => (await samples.read(i))[0]!);
    expect(answered.reduce((a, b) => a + b)).toBe(samples.count);
    expect(answered.filter((inputs) => inputs > 0).length).toBeGreaterThan(1);
  });

  it.skipIf(!hasShared || SOAK === null)("also on validation clips", { timeout: 3_600_000 }, async () => {
    const { validation } = await openTrainingSet(sharedPath("data/kws"), [49, 10, 1], false);
    const count = SOAK === "all" ? validation.count : 200;
    const answered = await compare(count, async (i) => inputsOf(validation, [i], 490));
    expect(Math.min(...answered)).toBeGreaterThan(0.05 * count);
  });

  it("is a network of several outputs to other runtimes, the whole network's first", () => {
    const names = GRAPH.outputs.map((tensor) => GRAPH.tensors[tensor]!.name);
    expect(names).toEqual([
      "probabilities",
      ...GRAPH.exits!.map(({ tensor }) => GRAPH.tensors[tensor]!.name),
    ]);
    expect(finalOutput(GRAPH)).toBe(GRAPH.outputs[0]);
    expect(GRAPH.exits!.length).toBeGreaterThan(0);
    for (const { thresholds } of GRAPH.exits!) expect(Math.max(...thresholds)).toBeLessThan(1);
  });
});
