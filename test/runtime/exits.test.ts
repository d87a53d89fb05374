// The part of a model that early exits add: options, batches, and what is refused.
import { describe, expect, it } from "vitest";
import { type Engine, loadModel, ThumbnetError } from "../../src/index.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { crc32 } from "../../src/plan/crc32.ts";
import { readImage } from "../../src/plan/image.ts";
import { CHECKED_FROM, EXIT, HEADER, structLayout } from "../../src/plan/layout.ts";
import { readStruct, writeStruct } from "../../src/plan/struct.ts";
import { withThresholds } from "../../src/plan/thresholds.ts";
import { answers } from "../../src/runtime/exits.ts";
import { exitNetwork } from "../support/exit-network.ts";
import { Random } from "../support/random.ts";

const random = new Random(1);
const rows = Array.from({ length: 24 }, () =>
  Int8Array.from({ length: 36 }, () => random.integer(-128, 127)),
);
const image = compileGraph(
  exitNetwork(3, [{ thresholds: [0.68] }, { criterion: "margin", thresholds: [0.25] }]),
);

describe("the decision", () => {
  it.each([
    ["top", [-128, 10, 9], [0, 138, 0], true],
    ["top", [-128, 10, 9], [0, 139, 0], false],
    ["top", [-128, 127, -128], [0, 255, 0], true],
    ["top", [-128, 127, -128], [0, 256, 0], false],
    ["top", [5, 5, 5], [133, 256, 256], true],
    ["top", [4, 5, 5], [0, 134, 0], false],
    ["margin", [-128, 10, 9], [0, 1, 0], true],
    ["margin", [-128, 10, 9], [0, 2, 0], false],
    ["margin", [10, -3, 9], [1, 256, 256], true],
    ["margin", [10, 10, 9], [1, 0, 0], false],
    ["margin", [10, 10, 9], [0, 256, 256], true],
    ["margin", [127, -128], [255, 256], true],
  ] as const)("%s of %s against %s: %s", (criterion, scores, thresholds, expected) => {
    expect(answers(Int8Array.from(scores), criterion, thresholds)).toBe(expected);
  });
});

describe.each<Engine>(["scalar", "simd"])("run, %s", (engine) => {
  it("stops each input of a batch on its own", async () => {
    const model = await loadModel(image, { engine });
    const single = rows.map((row) => model.run(row, {}));
    const batch = model.run(Int8Array.from(rows.flatMap((row) => [...row])), {});
    expect(batch.exits).toEqual(single.map(({ exits }) => exits[0]));
    expect(new Set(batch.exits).size).toBe(3);
    expect(batch.confidences).toEqual(single.map(({ confidences }) => confidences[0]));
    expect([...batch.output]).toEqual(single.flatMap(({ output }) => [...output]));
  });

  it("takes thresholds for all, for each exit, for each class", async () => {
    const model = await loadModel(image, { engine });
    const [row] = rows;
    const all = model.runAll(row!);
    const confidence = Math.max(...all[1]!) + 128;
    const exitAt = (exitThreshold: Parameters<typeof model.run>[1]["exitThreshold"] & {}) =>
      model.run(row!, { exitThreshold }).exits[0];
    expect(exitAt(confidence / 256)).toBe(0);
    expect(exitAt([(confidence + 1) / 256, 1])).toBe(2);
    const winner = all[1]!.indexOf(confidence - 128);
    const each = [1, 1, 1].with(winner, confidence / 256);
    expect(exitAt([each, 1])).toBe(0);
    expect(exitAt([each.map((value) => (value === 1 ? 0.001 : 1)), 1])).toBe(2);
    expect(exitAt(1)).toBe(2);
    expect(model.exits).toEqual([
      { name: "exit0", output: 1, criterion: "top", thresholds: [175 / 256, 175 / 256, 175 / 256] },
      { name: "exit1", output: 2, criterion: "margin", thresholds: [0.25, 0.25, 0.25] },
    ]);
  });

  it("refuses thresholds that are none, or for exits or classes that are not there", async () => {
    const model = await loadModel(image, { engine });
    const refused = (exitThreshold: unknown) => () =>
      model.run(rows[0]!, { exitThreshold: exitThreshold as number });
    for (const wrong of [
      0,
      -1,
      1.001,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      "0.5",
      [0.5, 0],
      [0.5, [0.5, 2, 0.5]],
    ]) {
      expect(refused(wrong), `${wrong}`).toThrow(
        /the threshold of exit [01] is .*; supported: above 0, up to 1/,
      );
      expect(refused(wrong)).toThrow(ThumbnetError);
    }
    expect(refused([0.5])).toThrow("1 exit thresholds were given, the model has 2 exits");
    expect(refused([0.5, 0.5, 0.5])).toThrow("3 exit thresholds were given, the model has 2 exits");
    expect(refused([0.5, [0.5, 0.5]])).toThrow("2 thresholds were given for exit 1, it has 3 classes");
    const plain = await loadModel(compileGraph({ ...exitNetwork(), exits: [] }), { engine });
    expect(() => plain.run(rows[0]!, { exitThreshold: 0.5 })).toThrow("the model has no exits");
    const whole = plain.run(rows[0]!, {});
    expect(whole.exits).toEqual([0]);
    expect([...whole.output]).toEqual([...plain.run(rows[0]!)]);
  });

  it("traces everything, or as far as a run goes", async () => {
    const model = await loadModel(image, { engine });
    for (const row of rows) {
      const { exits, confidences } = model.run(row, {});
      const trace = model.trace(row);
      expect(trace).toHaveLength(12);
      expect(trace.flatMap(({ exit }, i) => (exit ? [[i, exit.index]] : []))).toEqual([
        [3, 0],
        [7, 1],
      ]);
      const stopped = model.trace(row, { stop: true });
      expect(stopped).toHaveLength([4, 8, 12][exits[0]!]!);
      expect(stopped).toEqual(trace.slice(0, stopped.length));
      if (exits[0]! < 2)
        expect(stopped.at(-1)!.exit).toEqual({ index: exits[0], confidence: confidences[0], answers: true });
    }
  });
});

describe("an image with exits", () => {
  it("takes other thresholds, and is refused where one is damaged", () => {
    const name = "exits.tnet";
    const changed = readImage(withThresholds(readImage(image), name, [0.5, [0.1, 0.2, 1]]));
    expect(changed.exits.map(({ thresholds }) => [...thresholds])).toEqual([
      [128, 128, 128],
      [26, 52, 256],
    ]);
    expect(() => withThresholds(readImage(image), name, 0)).toThrow(
      "exits.tnet: the threshold of exit 0 is 0",
    );

    const damaged = (change: (view: DataView, exits: number) => void) => {
      const bytes = image.slice();
      const view = new DataView(bytes.buffer);
      change(view, readStruct<typeof HEADER>(view, 0, structLayout(HEADER)).exitsOffset);
      writeStruct(view, 0, structLayout(HEADER), { crc32: crc32(bytes.subarray(CHECKED_FROM)) });
      return () => readImage(bytes, name);
    };
    const exit = (values: Partial<Record<keyof typeof EXIT, number>>) =>
      damaged((view, at) => writeStruct(view, at, structLayout(EXIT), values));
    expect(damaged(() => {})).not.toThrow();
    for (const values of [
      { output: 0 },
      { output: 3 },
      { operatorEnd: 5 },
      { operatorEnd: 0 },
      { recordEnd: 1 },
    ]) {
      expect(exit(values), JSON.stringify(values)).toThrow("exits.tnet: is damaged: exit 0 does not fit");
    }
    expect(exit({ criterion: 7 })).toThrow("exits.tnet: exit 0 has an unknown criterion 7");
    expect(damaged((view) => writeStruct(view, 0, structLayout(HEADER), { exitsOffset: 2 ** 31 }))).toThrow(
      "outside itself",
    );
    expect(
      damaged((view) => writeStruct(view, 0, structLayout(HEADER), { thresholdsOffset: image.length })),
    ).toThrow("outside itself");
    expect(damaged((view) => writeStruct(view, 0, structLayout(HEADER), { finalOutput: 9 }))).toThrow(
      "does not fit",
    );
  });

  it("needs no more RAM than the whole network, as an exit's scores are forgotten", () => {
    const { exits: _, outputs, ...rest } = exitNetwork(255);
    const kept = readImage(compileGraph({ ...rest, outputs }));
    const early = readImage(compileGraph(exitNetwork(255)));
    expect(early.arenaBytes).toBeLessThan(kept.arenaBytes);
  });
});
