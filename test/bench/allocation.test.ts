import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { heapBytesPerRun } from "../../src/bench/allocation.ts";
import { loadModel } from "../../src/runtime/load.ts";

/** Bytes on JavaScript's heap for one run: the result, and what checking the input takes. Lower it, never raise. */
const MOST_BYTES = 1600;

const model = await loadModel(readFileSync(new URL("../../models/digits/digits.tflite", import.meta.url)));
const input = new Int8Array(model.inputs[0]!.elements);
for (let i = 0; i < 3000; i++) model.run(input);

test("a run leaves little for the garbage collector", () => {
  expect(heapBytesPerRun(() => model.run(input))).toBeLessThan(MOST_BYTES);
});

test("10,000 runs keep nothing", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  for (let i = 0; i < 10_000; i++) model.run(input);
  // Ten bytes a run would be a leak; the collector's own bookkeeping is far below.
  expect(used() - before).toBeLessThan(100_000);
});
