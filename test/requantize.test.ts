// The requantisation that is chosen at load equals the plain double rounding on every accumulator that can be reached.
import { expect, it } from "vitest";
import { loadModel } from "../src/index.ts";
import { interleaved } from "../src/plan/matrix.ts";
import { exactRequantization } from "../src/plan/requantization.ts";
import { SOAK } from "./support/implementations.ts";
import { kernelImage } from "./support/kernel-image.ts";
import { Random } from "./support/random.ts";

const CHANNELS = 64;
/** Every pair of int8: with weights 127 and 1 the sums are all integers from -16,384 to 16,256. */
const ROWS = 65_536;
const INPUT = Int8Array.from({ length: 2 * ROWS }, (_, i) => ((i & 1 ? i >> 1 : i >> 9) << 24) >> 24);

/** A fully connected layer of random channels, over every accumulator near their biases. */
function randomChannels(seed: number) {
  const random = new Random(seed);
  const isRelu = seed % 2 === 0;
  const outputZeroPoint = isRelu ? -128 : random.integer(-128, 127);
  const weights = Int8Array.from({ length: 2 * CHANNELS }, (_, i) => (i & 1 ? 1 : 127));
  const bias = Int32Array.from({ length: CHANNELS }, () => random.integer(-20_000, 20_000));
  // One for all channels: what was solved for one of them may serve others, whose ranges differ.
  const count = seed % 4 === 3 ? 1 : CHANNELS;
  const multipliers = Array.from({ length: count }, () => ({
    multiplier: random.integer(2 ** 30, 2 ** 31 - 1),
    shift: random.integer(-12, seed % 5 === 0 ? 2 : -3),
  }));
  const values = {
    input: { tensor: 0 },
    output: { tensor: 1 },
    weights: interleaved(weights, CHANNELS),
    requantization: exactRequantization(bias, multipliers, {
      weights,
      order: "channels first",
      inputZeroPoint: random.integer(-128, 127),
    }),
    batch: ROWS,
    inputChannels: 2,
    outputChannels: CHANNELS,
    outputZeroPoint,
    activationMin: isRelu || seed % 3 ? -128 : random.integer(-128, 0),
    activationMax: seed % 7 ? 127 : random.integer(1, 127),
    weightsZeroPoint: 0,
  };
  return kernelImage({ kernel: "fully_connected_s8", values }, [INPUT.length], ROWS * CHANNELS);
}

it("every accumulator of random channels, behind a ReLU and of both signs", async () => {
  const forms = { float: 0, floatBySign: 0, integer: 0, plain: 0 };
  for (let seed = 0; seed < (SOAK ? 100 : 15); seed++) {
    const image = randomChannels(seed);
    const [plain, simd] = [
      await loadModel(image, { engine: "scalar" }),
      await loadModel(image, { engine: "simd" }),
    ];
    const [expected, found] = [plain.run(INPUT), simd.run(INPUT)];
    const wrong =
      Buffer.compare(Buffer.from(found.buffer), Buffer.from(expected.buffer)) === 0
        ? -1
        : found.findIndex((q, i) => q !== expected[i]);
    expect(wrong, `seed ${seed}: channel ${wrong % CHANNELS}`).toBe(-1);
    for (const form of Object.keys(forms) as (keyof typeof forms)[]) forms[form] += simd.requantization[form];
  }
  // The integer forms are not needed here; the reference models have channels of them.
  for (const form of ["float", "floatBySign"] as const) expect(forms[form], form).toBeGreaterThan(0);
});

it("sums so large that float32 has no offset for some channels: those are done in integers beside the others", async () => {
  const [rows, depth] = [512, 128];
  let mixed = 0;
  for (let seed = 0; seed < (SOAK ? 60 : 8); seed++) {
    const random = new Random(1000 + seed);
    const weights = Int8Array.from({ length: depth * CHANNELS }, () => random.integer(-127, 127));
    const bias = Int32Array.from({ length: CHANNELS }, () => random.integer(-20_000, 20_000));
    const multipliers = Array.from({ length: CHANNELS }, () => ({
      multiplier: random.integer(2 ** 30, 2 ** 31 - 1),
      shift: random.integer(-11, -9),
    }));
    const requantization = exactRequantization(bias, multipliers, {
      weights,
      order: "channels first",
      inputZeroPoint: 0,
    });
    const values = {
      input: { tensor: 0 },
      output: { tensor: 1 },
      weights: interleaved(weights, CHANNELS),
      requantization,
      batch: rows,
      inputChannels: depth,
      outputChannels: CHANNELS,
      outputZeroPoint: seed % 2 ? -128 : random.integer(-20, 20),
      activationMin: -128,
      activationMax: 127,
      weightsZeroPoint: 0,
    };
    const image = kernelImage({ kernel: "fully_connected_s8", values }, [rows * depth], rows * CHANNELS);
    const input = Int8Array.from({ length: rows * depth }, () => random.integer(-128, 127));
    const [plain, simd] = [
      await loadModel(image, { engine: "scalar" }),
      await loadModel(image, { engine: "simd" }),
    ];
    const expected = plain.run(input);
    const wrong = simd.run(input).findIndex((q, i) => q !== expected[i]);
    expect(wrong, `seed ${seed}: element ${wrong}`).toBe(-1);
    // Blocks have eight channels.
    if (simd.requantization.integer % 8 !== 0) mixed++;
  }
  expect(mixed).toBeGreaterThan(0);
});
