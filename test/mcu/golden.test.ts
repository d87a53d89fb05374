// The C kernels, on the host and as ARMv6-M code on the emulated chip: reference models over real and random inputs.
import { describe, expect, it } from "vitest";
import { hostCompiler } from "../../src/mcu/host.ts";
import { emulatedChip, hostC, type Step } from "../../src/mcu/implementations.ts";
import { compileTflite } from "../../src/plan/compile.ts";
import { crc32, formatCrc } from "../../src/plan/crc32.ts";
import { expandChannels, readImage } from "../../src/plan/image.ts";
import { GOLDEN_NAMES, loadGolden } from "../support/goldens.ts";
import { PLAIN, SOAK, stepsOf } from "../support/implementations.ts";
import { hasShared } from "../support/shared.ts";

/** Inputs of each set that are run; a soak runs all. */
const QUICK = 20;
/** Milliseconds for a test; all inputs of a model take some minutes, and far more on a slow machine. */
const LIMIT = SOAK ? 7_200_000 : 600_000;

const CHIPS = [...(hostCompiler() ? [hostC()] : []), emulatedChip()];

function outputOf(image: ReturnType<typeof readImage>, steps: readonly Step[]): Uint8Array {
  const { offset, bytes } = image.outputs[0]!.tensor;
  return steps.at(-1)!.arena.subarray(offset, offset + bytes);
}

describe.skipIf(!hasShared).each(CHIPS)("golden outputs, $name", ({ runs }) => {
  it.each(GOLDEN_NAMES)(
    "%s: outputs, checksums, and the arena after every operator",
    async (name) => {
      const golden = loadGolden(name);
      const image = readImage(compileTflite(golden.model, name));
      const size = image.inputs[0]!.tensor.bytes;
      const each = golden.outputs.length / golden.crcs.length;
      for (let n = 0; n < (SOAK ? golden.crcs.length : Math.min(QUICK, golden.crcs.length)); n++) {
        const job = { image: image.bytes, inputs: [golden.inputs.subarray(n * size, (n + 1) * size)] };
        const [[plain], [found]] = [await stepsOf(PLAIN, [job]), await stepsOf({ runs }, [job])];
        const differing = plain!.findIndex(({ arena }, i) => Buffer.compare(arena, found![i]!.arena) !== 0);
        expect(differing, `input ${n}: first operator after which the arena differs`).toBe(-1);
        const full = found!.map(({ stored }, i) => expandChannels(stored, image.operators[i]!.output));
        const all = full.reduce((crc, bytes) => crc32(bytes, crc), 0);
        expect(formatCrc(all), `input ${n}`).toBe(formatCrc(golden.crcs[n]!));
        const expected = new Uint8Array(golden.outputs.buffer, n * each, each);
        expect(Buffer.compare(outputOf(image, found!), expected), `input ${n}`).toBe(0);
      }
    },
    LIMIT,
  );

  it.each(["kws_ref_model", "vww_96_int8"])(
    "%s in the smallest arena: outputs, and the arena after every operator",
    async (name) => {
      const golden = loadGolden(name);
      const image = readImage(compileTflite(golden.model, name, { optimize: "ram" }));
      const size = image.inputs[0]!.tensor.bytes;
      const each = golden.outputs.length / golden.crcs.length;
      for (
        let n = 0;
        n < (SOAK === "all" ? golden.crcs.length : Math.min(QUICK / 4, golden.crcs.length));
        n++
      ) {
        const job = { image: image.bytes, inputs: [golden.inputs.subarray(n * size, (n + 1) * size)] };
        const [[plain], [found]] = [await stepsOf(PLAIN, [job]), await stepsOf({ runs }, [job])];
        const differing = plain!.findIndex(({ arena }, i) => Buffer.compare(arena, found![i]!.arena) !== 0);
        expect(differing, `input ${n}`).toBe(-1);
        const expected = new Uint8Array(golden.outputs.buffer, n * each, each);
        expect(Buffer.compare(outputOf(image, found!), expected), `input ${n}`).toBe(0);
      }
    },
    LIMIT,
  );
});
