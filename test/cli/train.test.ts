import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeKwsSet } from "../support/kws-set.ts";
import { interruptOnce, temporaryFolder, thumbnet, thumbnetError, thumbnetJson } from "./cli.ts";

const folder = temporaryFolder();

const SMALL = ["--width", "6", "--batch", "32", "--epochs", "4", "--lr", "0.02", "--average", "0.9"];
let data: string;
beforeAll(() => {
  data = writeKwsSet(folder.path("kws"), { train: 480, val: 60, test: 48 });
});

describe("thumbnet train, then quantize", () => {
  test("leaves a network, which becomes an int8 model that runs", () => {
    const out = folder.path("run");
    const trained = thumbnetJson("train", "dscnn", "--data", data, "--out", out, ...SMALL, "--test");
    expect(trained).toMatchObject({
      network: "dscnn-6x4",
      data: "kws",
      epochs: 4,
      options: { seed: 1, batch: 32 },
    });
    expect(trained.validation_accuracy).toBeGreaterThan(0.3);
    expect(trained.test_accuracy).toBeGreaterThan(0.3);
    const log = readFileSync(join(out, "log.jsonl"), "utf8").trim().split("\n");
    expect(log.map((line) => JSON.parse(line).epoch)).toEqual([1, 2, 3, 4]);

    const model = folder.path("int8.tflite");
    const best = join(out, "best.ckpt");
    const quantized = thumbnetJson("quantize", best, "--data", data, "--out", model, "--calibration", "50");
    expect(quantized.accuracy.count).toBe(60);
    expect(quantized.accuracy.agreement).toBeGreaterThan(0.9);
    expect(quantized.accuracy.floatAccuracy).toBeCloseTo(trained.validation_accuracy, 6);
    expect(quantized.layers).toHaveLength(13);
    expect(quantized.layers.at(-1).kind).toBe("SOFTMAX");

    // The same network from its other form gives the same model, but for its name.
    const float = join(out, "float.tflite");
    const other = folder.path("other.tflite");
    const again = thumbnetJson("quantize", float, "--data", data, "--out", other, "--calibration", "50");
    expect(again.layers).toEqual(quantized.layers);

    const inspected = thumbnetJson("inspect", model);
    expect(inspected.inputs[0]).toMatchObject({ shape: [1, 49, 10, 1], dtype: "int8" });
    const input = folder.write("zeros.bin", new Uint8Array(490));
    expect(thumbnet("run", model, input).code).toBe(0);

    const text = thumbnet(
      "quantize",
      best,
      "--data",
      data,
      "--out",
      model,
      "--evaluate",
      "test",
      "--calibration",
      "9",
    );
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(
      /test: float \d+\.\d\d %, int8 \d+\.\d\d %, the same class .* \(48 examples\)/,
    );
    expect(text.stdout).toMatch(/0 {2}CONV_2D +conv1 .* \d+\.\d\n/);
  }, 120000);

  test("Ctrl-C stops it, and the same command goes on to the same end", async () => {
    const command = (out: string) => ["train", "dscnn", "--data", data, "--out", folder.path(out), ...SMALL];
    expect(thumbnet(...command("whole")).code).toBe(0);
    expect(await interruptOnce(folder.path("parts/last.ckpt"), ...command("parts"))).toBe(1);
    const resumed = thumbnet(...command("parts"));
    expect(resumed.code).toBe(0);
    for (const file of ["best.ckpt", "last.ckpt"]) {
      const [whole, parts] = ["whole", "parts"].map((out) => readFileSync(join(folder.path(out), file)));
      expect(parts!.equals(whole!)).toBe(true);
    }
    const again = thumbnet(...command("parts"), "--seed", "2");
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/last\.ckpt: is of another run: options\.seed is 1, not 2/);
  }, 120000);

  test("a loss that is not finite is one clear line, and an exit code", () => {
    const { code, stderr } = thumbnet(
      ...["train", "dscnn", "--data", data, "--out", folder.path("wild"), ...SMALL.slice(0, 4)],
      ...["--epochs", "2", "--weight-decay", "1", "--steps", "0:1e30"],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /\nthumbnet: the loss is NaN \(epoch 1, step \d+ of 15, learning rate 1e\+30\): train with/,
    );
  }, 60000);
});

describe("what is wrong is said", () => {
  const out = () => ["--out", folder.path("none")];

  test("options", () => {
    expect(thumbnetError("train", "alexnet", "--data", data, ...out())).toMatch(
      /^thumbnet: no network "alexnet"; there are: dscnn/,
    );
    expect(thumbnetError("train", "dscnn", "--data", data, ...out(), "--steps", "5:1")).toMatch(
      /Epochs must rise, from 0/,
    );
    expect(thumbnetError("train", "dscnn", "--data", data, ...out(), "--lr", "fast")).toMatch(
      /It must be a number from/,
    );
    expect(thumbnetError("train", "dscnn", ...out())).toMatch(/required option '--data <dir>'/);
  });

  test("data", () => {
    expect(thumbnetError("train", "dscnn", "--data", folder.path("nowhere"), ...out())).toMatch(
      /nowhere: no such file/,
    );
    expect(thumbnetError("train", "resnet8", "--data", data, ...out())).toMatch(
      /resnet8: takes \[32,32,3\], the data set kws has \[49,10,1\]/,
    );
    const few = writeKwsSet(folder.path("few"), { train: 12, val: 12, test: 12 });
    expect(thumbnetError("train", "dscnn", "--data", few, ...out())).toMatch(
      /has 12 training .* a batch takes 100/,
    );
  }, 60000);

  test("models to quantise", () => {
    const text = folder.write("model.tflite", "no model");
    expect(thumbnetError("quantize", text, "--data", data, "--out", folder.path("x.tflite"))).toMatch(
      /^thumbnet: model\.tflite: /,
    );
    expect(
      thumbnetError("quantize", text, "--data", data, "--out", join(dirname(text), "no", "x.tflite")),
    ).toMatch(/no: no such file or folder/);
  });
});

test("a run can start from another network", () => {
  const width = (n: number) => ["--width", `${n}`, "--batch", "32", "--lr", "0.02", "--average", "0.9"];
  const train = (out: string, ...more: string[]) =>
    thumbnetJson("train", "dscnn", "--data", data, "--out", folder.path(out), ...more);
  train("start", ...width(6), "--epochs", "4");
  const init = join(folder.path("start"), "best.ckpt");
  const again = train("again", ...width(6), "--epochs", "1", "--init", init);
  const anew = train("anew", ...width(6), "--epochs", "1");
  expect(again.init.fresh).toEqual([]);
  expect(again.validation_accuracy).toBeGreaterThan(anew.validation_accuracy + 0.2);
  // Another width: only the last layer's bias is alike.
  const wider = train("wider", ...width(8), "--epochs", "1", "--init", init);
  expect(wider.init.taken).toEqual(["dense/bias"]);
  const { stderr } = thumbnet(
    ...["train", "dscnn", "--data", data, "--out", folder.path("again"), ...width(6), "--epochs", "1"],
  );
  expect(stderr).toMatch(/is of another run: init is /);
}, 120000);

test("quantisation-aware training goes on from a network, and quantize takes its ranges", () => {
  const small = ["--batch", "32", "--lr", "0.02", "--average", "0.9", "--data", data];
  const at = (name: string) => folder.path(name);
  thumbnetJson("train", "dscnn", "--width", "6", "--epochs", "4", "--out", at("float"), ...small);
  const aware = ["--epochs", "2", "--quantization-aware", ...small];
  const best = join(at("float"), "best.ckpt");
  const trained = thumbnetJson("train", best, "--out", at("aware"), ...aware);
  const again = ["train", "dscnn", "--width", "6", "--init", best, "--out", at("aware"), ...aware];
  expect(thumbnetJson(...again).epochs).toBe(2);
  const file = at("aware.tflite");
  const quantized = thumbnetJson(
    ...["quantize", join(at("aware"), "best.ckpt"), "--data", data, "--out", file, "--calibration", "20"],
  );
  expect(quantized.options).toMatchObject({ weights: "max", biasCorrection: false });
  expect(quantized.options.affines.conv1.scale).toBeGreaterThan(0);
  // Validated as it will be in int8.
  expect(Math.abs(quantized.accuracy.int8Accuracy - trained.validation_accuracy)).toBeLessThan(2.5 / 60);
  const fresh = thumbnet("train", "dscnn", "--width", "6", "--out", at("none"), ...aware);
  expect(fresh.code).toBe(1);
  expect(fresh.stderr).toMatch(/dscnn-6x4: --quantization-aware starts from a trained network: give --init/);
}, 120000);
