// Reference models over their inputs: every output and every operator equals what the real C kernels gave.
import { describe, expect, it } from "vitest";
import { type Engine, loadModel } from "../src/index.ts";
import { crc32, formatCrc } from "../src/plan/crc32.ts";
import { GOLDEN_NAMES, loadGolden } from "./support/goldens.ts";
import { hasShared } from "./support/shared.ts";

const ENGINES: Engine[] = ["scalar", "simd"];

describe.skipIf(!hasShared).each(ENGINES)("golden outputs, %s", (engine) => {
  it.each(GOLDEN_NAMES)("%s: outputs, logits and operators of every input", async (name) => {
    const golden = loadGolden(name);
    const model = await loadModel(golden.model, { engine });
    const size = model.inputs[0]!.elements;
    const count = golden.inputs.length / size;
    expect(count).toBe(golden.crcs.length);

    expect(
      Buffer.compare(Buffer.from(model.run(golden.inputs).buffer), Buffer.from(golden.outputs.buffer)),
    ).toBe(0);
    const logits: number[] = [];
    for (let n = 0; n < count; n++) {
      const trace = model.trace(golden.inputs.subarray(n * size, (n + 1) * size));
      const all = trace.reduce((crc, { bytes }) => crc32(bytes, crc), 0);
      expect(formatCrc(all), `input ${n}`).toBe(formatCrc(golden.crcs[n]!));
      if (golden.logits) logits.push(...new Int8Array(trace.at(-2)!.bytes.buffer));
      const layers = golden.layers.find(({ input }) => input === n);
      if (layers) {
        const seen = trace.map(({ index, name, bytes, crc32 }) => ({
          op: index,
          kind: name,
          bytes: bytes.length,
          crc32: formatCrc(crc32),
        }));
        expect(seen).toEqual(layers.layers.map(({ op, kind, bytes, crc32 }) => ({ op, kind, bytes, crc32 })));
      }
    }
    if (golden.logits) expect(logits).toEqual([...golden.logits]);
    model.dispose();
  });
});
