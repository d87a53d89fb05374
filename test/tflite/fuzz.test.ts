import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import { checkInt8 } from "../../src/graph/check.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { readTflite, type TfliteModel, writeTflite } from "../../src/tflite/index.ts";
import { SOAK } from "../support/implementations.ts";
import { hasShared, readShared } from "../support/shared.ts";
import { NETWORK, SAMPLES } from "./samples.ts";

/** Mutations of each small file, and of each large one; THUMBNET_SOAK asks for more. */
const [SMALL, LARGE] = SOAK === "all" ? [100_000, 20_000] : SOAK ? [15_000, 3000] : [1500, 500];

/** Mulberry32: a small seeded generator of integers below `limit`. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

/** A damaged copy: a few flipped bits, bytes or words, or a cut. */
function damaged(file: Uint8Array, random: (limit: number) => number): Uint8Array {
  const bytes = file.slice();
  const view = new DataView(bytes.buffer);
  const words = [0, 1, 4, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, bytes.length];
  for (let changes = random(4); changes >= 0; changes--) {
    // What structures a file lies at its ends more than among its weights.
    const zone = [bytes.length, Math.min(2000, bytes.length), bytes.length][random(3)]!;
    const at = random(2) === 0 ? random(zone) : bytes.length - 1 - random(Math.min(20_000, bytes.length));
    switch (random(5)) {
      case 0:
        bytes[at]! ^= 1 << random(8);
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        view.setUint32(Math.min(at & ~3, bytes.length - 4), words[random(words.length)]!, true);
        break;
      case 3:
        view.setUint32(Math.min(at & ~3, bytes.length - 4), random(2 * bytes.length), true);
        break;
      default:
        if (random(8) === 0) return bytes.subarray(0, random(bytes.length));
        bytes.copyWithin(at, random(bytes.length), Math.min(bytes.length, random(bytes.length) + 64));
    }
  }
  return bytes;
}

/** What was read is written so that it reads the same, or is said not to be known. */
function expectKept(model: TfliteModel): void {
  let written: Uint8Array;
  try {
    written = writeTflite(model);
  } catch (error) {
    if (error instanceof ThumbnetError && error.message.includes("does not know the content")) return;
    throw error;
  }
  if (!isDeepStrictEqual(readTflite(written), model)) throw new Error("writeTflite changed the model");
}

/** What a damaged file comes to: its stage. Anything but a ThumbnetError is thrown on. */
function outcome(bytes: Uint8Array): "unreadable" | "no graph" | "not int8" | "runs" {
  let stage: ReturnType<typeof outcome> = "unreadable";
  try {
    const model = readTflite(bytes, "fuzz");
    stage = "no graph";
    expectKept(model);
    const graph = graphFromTflite(model, "fuzz");
    stage = "not int8";
    const back = graphFromTflite(tfliteFromGraph(graph), "fuzz");
    if (!isDeepStrictEqual(back, graph)) throw new Error("tfliteFromGraph changed the graph");
    checkInt8(graph);
    return "runs";
  } catch (error) {
    if (error instanceof ThumbnetError && error.message.startsWith("fuzz: ")) return stage;
    throw error;
  }
}

const FILES: [string, () => Uint8Array][] = [
  ["a small network", () => writeTflite(tfliteFromGraph(NETWORK))],
  ["a padding", () => writeTflite(tfliteFromGraph(SAMPLES.PAD))],
  ["a concatenation", () => writeTflite(tfliteFromGraph(SAMPLES.CONCATENATION))],
];
if (hasShared)
  FILES.push(["a reference model", () => readShared("models", "mlperf-tiny", "kws_ref_model.tflite")]);

describe("damaged files give a sound graph or one clear error", () => {
  it.each(FILES)("%s", { timeout: 600_000 }, (_, load) => {
    const file = load();
    expect(outcome(file)).toBe("runs");
    const random = generator(20_240_601);
    const seen = new Map<string, number>();
    const rounds = file.length < 10_000 ? SMALL : LARGE;
    for (let round = 0; round < rounds; round++) {
      const bytes = damaged(file, random);
      try {
        const stage = outcome(bytes);
        seen.set(stage, (seen.get(stage) ?? 0) + 1);
      } catch (error) {
        throw new Error(`round ${round}`, { cause: error });
      }
    }
    // The damage reaches every stage.
    expect([...seen.keys()].sort()).toEqual(["no graph", "not int8", "runs", "unreadable"]);
  });

  it("any cut of a small file", () => {
    const file = FILES[0]![1]();
    const stages = Array.from({ length: file.length - 16 }, (_, length) => outcome(file.subarray(0, length)));
    expect(new Set(stages)).toEqual(new Set(["unreadable"]));
  });
});
