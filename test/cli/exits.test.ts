import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { dscnn } from "../../src/train/network/factories.ts";
import { writeKwsSet } from "../support/kws-set.ts";
import { randomParameters } from "../support/networks.ts";
import { smallModel, temporaryFolder, thumbnet, thumbnetError, thumbnetJson } from "./cli.ts";

const folder = temporaryFolder();
let [data, model, trained] = ["", "", ""];

const FAST = ["--epochs", "3", "--batch", "16", "--calibration", "10", "--average", "0.9"];
const command = (out: string, ...rest: string[]) => [
  ...["exits", "train", model, "--data", data, "--out", folder.path(out), ...FAST, ...rest],
];
const tuning = (out: string, ...rest: string[]) => [
  ...["exits", "tune", trained, "--data", data, "--out", folder.path(out), ...rest],
];
const exitsOf = (path: string) => graphFromTflite(readTflite(readFileSync(path), path), path).exits!;

beforeAll(() => {
  data = writeKwsSet(folder.path("kws"), { train: 96, val: 24, test: 12 });
  const description = dscnn({ filters: 8, blocks: 2 });
  const meta = { kind: "network", description, classes: [], origin: null };
  model = folder.write("best.ckpt", encodeCheckpoint({ meta, tensors: randomParameters(description, 3) }));
  const args = command("joint", "--exit", "conv1=4s2", "--exit", "block1=dense", "--distill");
  const { code, stderr, stdout } = thumbnet(...args);
  if (code !== 0) throw new Error(stderr);
  expect(stdout).toMatch(/\nexit0 +conv1=4s2 +\d/);
  trained = folder.path("joint/int8.tflite");
}, 60000);

describe("thumbnet exits train", () => {
  test("writes a network whose exits answer nothing as yet, as checkpoint, float and int8", () => {
    for (const file of ["float.tflite", "int8.tflite"]) {
      expect(exitsOf(folder.path(`joint/${file}`)).map(({ thresholds }) => thresholds)).toEqual([[1], [1]]);
    }
    const requantized = folder.path("again.tflite");
    const checkpoint = folder.path("joint/best.ckpt");
    const quantized = thumbnet(
      ...["quantize", checkpoint, "--data", data, "--out", requantized, "--calibration", "10"],
    );
    expect(quantized.stderr).toBe("");
    expect(readFileSync(requantized)).toEqual(readFileSync(trained));
  });

  test("other training leaves a network with exits alone", () => {
    const other = (network: string) =>
      thumbnetError(
        "train",
        network,
        "--data",
        data,
        "--out",
        folder.path("other"),
        "--epochs",
        "1",
        "--batch",
        "16",
      );
    expect(other(folder.path("joint/best.ckpt"))).toContain(
      "thumbnet: dscnn-8x2: has early exits; thumbnet exits train trains those",
    );
    const text = JSON.stringify({ ...dscnn(), exits: [] });
    expect(other(folder.write("exits.json", new TextEncoder().encode(text)))).toContain('has "exits"');
  });

  test("trains heads on a network that stays as it is", () => {
    const origin = thumbnetJson(
      ...command("frozen", "--exit", "block1=4s2", "--frozen", "--augmentation", "0"),
    );
    expect(origin.calibration).toHaveLength(2);
    const whole = folder.path("whole.tflite");
    const plain = [
      "quantize",
      model,
      "--data",
      data,
      "--out",
      whole,
      "--calibration",
      "10",
      "--evaluate",
      "none",
    ];
    expect(thumbnet(...plain).stderr).toBe("");
    const [a, b] = [
      thumbnetJson("inspect", whole),
      thumbnetJson("inspect", folder.path("frozen/int8.tflite")),
    ];
    expect(b.macs).toBeGreaterThan(a.macs);
  });

  test("says what is wrong with a command line or a network", () => {
    const error = (...args: string[]) => {
      const { code, stderr } = thumbnet(...args);
      return [code, stderr.trim().split("\n").at(-1)];
    };
    expect(error(...command("bad"))).toEqual([2, expect.stringContaining("--exit <cut=head>")]);
    expect(error(...command("bad", "--exit", "block1"))).toEqual([
      2,
      expect.stringContaining("It must be CUT=HEAD"),
    ]);
    expect(error(...command("bad", "--exit", "block7=4"))).toEqual([
      1,
      'thumbnet: dscnn-8x2: no cut "block7"; there are: conv1, block1, block2',
    ]);
    const again = [
      "exits",
      "train",
      folder.path("joint/best.ckpt"),
      "--data",
      data,
      "--out",
      folder.path("bad"),
    ];
    expect(error(...again, ...FAST, "--exit", "block1=4")).toEqual([
      1,
      "thumbnet: dscnn-8x2: has early exits; supported: networks without",
    ]);
  });
});

describe("thumbnet exits tune", () => {
  test("writes thresholds into the file, and a report beside networks cut in depth", () => {
    const cut = [
      "prune",
      "depth",
      model,
      "--data",
      data,
      "--out",
      folder.path("cut"),
      ...FAST,
      "--cut",
      "conv1",
    ];
    expect(thumbnet(...cut, "--head", "4s2").code).toBe(0);
    const args = [
      "--target-loss",
      "5",
      "--per-class",
      "--report",
      folder.path("tuned"),
      "--criterion",
      "margin",
      "--static",
      folder.path("cut"),
      folder.path("cut/whole/int8.tflite"),
    ];
    const { runs, statics, comparison, overall } = thumbnetJson(...tuning("tuned.tflite", ...args));
    const [run] = runs;
    expect(run.loss).toBeLessThanOrEqual(0.05 + 1e-9);
    expect(overall.loss).toEqual({ mean: run.loss, deviation: 0, values: [run.loss] });
    expect(statics.map(({ name, series }: { name: string; series: string }) => [name, series])).toEqual([
      ["conv1", "dscnn-8x2 cut: 4s2, frozen"],
      ["dscnn-8x2", "whole networks, trained without exits"],
      ["whole/int8", "other networks"],
    ]);
    expect(statics[2]).toMatchObject({ accuracy: statics[1].accuracy, costs: statics[1].costs });
    expect(comparison.length).toBeGreaterThan(0);
    const exits = exitsOf(folder.path("tuned.tflite"));
    expect(exits.map(({ thresholds }) => thresholds)).toEqual(
      run.stops.slice(0, -1).map(({ thresholds }: { thresholds: number[] }) => thresholds),
    );
    for (const { criterion, thresholds } of exits) {
      expect([criterion, thresholds.length]).toEqual(["margin", 12]);
    }
    expect(JSON.parse(readFileSync(folder.path("tuned/report.json"), "utf8")).runs).toEqual(runs);
    expect(readFileSync(folder.path("tuned/report.html"), "utf8")).toContain("dscnn-8x2 cut: 4s2, frozen");
    const text = thumbnet(...tuning("tuned.tflite", ...args));
    expect(text.stdout).toMatch(/\nmean, as tuned +[\d,]+ +[\d.]+ %/);
    expect(text.stdout).toMatch(/points (lost|gained) at [\d.]+ % of the MACs/);
    expect(text.stdout).toMatch(/\nµJ: [\d,]+ .* on average, [\d,]+ .* at worst/);
    expect(text.stdout).toMatch(/by cycles: .*Pareto front of static networks/);
  });

  test("takes several runs, for mean and spread", () => {
    const second = command("second", "--exit", "conv1=4s2", "--exit", "block1=dense", "--seed", "2");
    expect(thumbnet(...second).code).toBe(0);
    const models = [trained, folder.path("second/int8.tflite")];
    const tune = (...which: string[]) => [
      ...[
        "exits",
        "tune",
        ...which,
        "--data",
        data,
        "--out",
        folder.path("runs.tflite"),
        "--target-loss",
        "9",
      ],
    ];
    const both = thumbnetJson(...tune(...models));
    const alone = models.map((path) => thumbnetJson(...tune(path)).runs[0]);
    expect(both.runs.map((run: object) => ({ ...run, model: "int8.tflite" }))).toEqual(alone);
    const accuracies = alone.map(({ accuracy }) => accuracy);
    expect(both.overall.accuracy.values).toEqual(accuracies);
    expect(both.overall.accuracy.mean).toBeCloseTo((accuracies[0] + accuracies[1]) / 2, 12);
    expect(both.overall.accuracy.deviation).toBeCloseTo(
      Math.abs(accuracies[0] - accuracies[1]) / Math.SQRT2,
      12,
    );
    expect(both.overall.mean.macs.values).toEqual(alone.map(({ mean }) => mean.macs));
    [1, 2].forEach((number, i) => {
      expect(exitsOf(folder.path(`runs-${number}.tflite`)).map(({ thresholds }) => thresholds)).toEqual(
        alone[i].stops.slice(0, -1).map(({ thresholds }: { thresholds: number[] }) => thresholds),
      );
    });
    expect(thumbnet(...tune(...models)).stdout).toMatch(/\nmean ± standard deviation +[\d.]+ ± [\d.]+/);
  });

  test("wants one target, a model with exits, and a report of the same data", () => {
    const error = (...args: string[]) => {
      const { code, stderr } = thumbnet(...args);
      return [code, stderr.trim()];
    };
    expect(error(...tuning("bad.tflite"))).toEqual([
      2,
      expect.stringMatching(/^thumbnet: what is wanted of the exits\? Give one of --target-accuracy/),
    ]);
    expect(error(...tuning("bad.tflite", "--target-loss", "1", "--target-macs", "5"))).toEqual([
      2,
      expect.stringContaining("cannot be used with"),
    ]);
    expect(error(...tuning("bad.tflite", "--target-macs", "5"))[1]).toMatch(
      /no thresholds cost a mean of 5 macs/,
    );
    expect(error(...tuning("bad.tflite", "--target-loss", "1", "--static", data))[1]).toMatch(
      /kws: holds no results of thumbnet prune depth/,
    );
    expect(error(...tuning("bad.tflite", "--target-loss", "1", "--static", trained))[1]).toMatch(
      /int8\.tflite: has early exits; --static takes networks without/,
    );
    const plain = folder.write("plain.tflite", smallModel());
    const args = [
      "exits",
      "tune",
      plain,
      "--data",
      data,
      "--out",
      folder.path("bad.tflite"),
      "--target-loss",
      "1",
    ];
    expect(error(...args)[1]).toMatch(/plain\.tflite: has no exits/);
  });
});
