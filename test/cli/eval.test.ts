import { mkdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hasShared, sharedPath } from "../support/shared.ts";
import { identityModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
/** Its input is the scores of three classes. */
const model = write("three.tflite", identityModel([1, 3]));

/** Rows: the three scores, then the label. */
function dataset(name: string, rows: readonly (readonly [number, number, number, number])[]): string {
  mkdirSync(path(name));
  const lines = rows.map(([a, b, c, label], i) => {
    write(`${name}/${i}.bin`, Uint8Array.from([a, b, c]));
    return `${i}.bin,3,${label}\n`;
  });
  write(`${name}/y_labels.csv`, lines.join(""));
  return path(name);
}

// Predicted: 0, 1, 1 (first of a tie), 2, 1 (255 is -1), 2.
const data = dataset("data", [
  [9, 1, 1, 0],
  [0, 9, 1, 1],
  [0, 7, 7, 2],
  [0, 1, 9, 2],
  [255, 0, 254, 1],
  [1, 2, 3, 0],
]);

test("counts accuracy, classes and confusions; on a tie the first class is taken", () => {
  const json = thumbnetJson("eval", model, data);
  expect(json).toMatchObject({ count: 6, correct: 4, accuracy: 4 / 6 });
  expect(json.outputs[0].confusion).toEqual([
    [1, 0, 1],
    [0, 2, 0],
    [0, 1, 1],
  ]);
  expect(json.outputs[0].classes).toEqual([
    { index: 0, label: null, count: 2, correct: 1, recall: 0.5, predicted: 1, precision: 1 },
    { index: 1, label: null, count: 2, correct: 2, recall: 1, predicted: 3, precision: 2 / 3 },
    { index: 2, label: null, count: 2, correct: 1, recall: 0.5, predicted: 2, precision: 0.5 },
  ]);
});

test("prints them", () => {
  const labels = write("labels.csv", "low\nmiddle\nhigh\n");
  const { code, stdout } = thumbnet("eval", model, data, "--labels", labels);
  expect(code).toBe(0);
  expect(stdout).toContain("accuracy 66.7 % (4 of 6)");
  expect(stdout).toMatch(/^ +1 +middle +2 +2 +100\.0 % +3 +66\.7 %$/m);
  expect(stdout).toMatch(/^ +high 2 +\. +1 +1$/m);
});

test("a class without inputs has no recall", () => {
  const [, second] = thumbnetJson("eval", model, dataset("lacking", [[1, 0, 0, 0]])).outputs[0].classes;
  expect(second).toMatchObject({ count: 0, predicted: 0, recall: null, precision: null });
});

test("judges every output that has one element a class", () => {
  const tensors = [tensor("in", [1, 3]), tensor("relu", [1, 3]), tensor("wide", [1, 6]), tensor("same", [3])];
  const operators = [
    { kind: "RELU", inputs: [0], outputs: [1], options: {} },
    { kind: "CONCATENATION", inputs: [1, 1], outputs: [2], options: { axis: 1, activation: "NONE" } },
    { kind: "RESHAPE", inputs: [0], outputs: [3], options: {} },
  ] as const;
  const several = write("several.tflite", tflite("several", tensors, [...operators], [0], [1, 2, 3]));
  const { outputs, accuracy } = thumbnetJson("eval", several, data);
  // -1, 0, -2 has a ReLU of 0, 0, 0: class 0 instead of 1.
  expect(outputs.map(({ name, correct }: Record<string, unknown>) => [name, correct])).toEqual([
    ["relu", 3],
    ["same", 4],
  ]);
  expect(accuracy).toBe(0.5);
});

test.each([
  ["a label out of range", "0.bin,3,3\n", /y_labels\.csv: 0\.bin has the label 3; with 3 classes: 0 to 2$/],
  ["differing class counts", "0.bin,3,0\n1.bin,4,0\n", /1\.bin has 4 classes, 0\.bin 3$/],
  ["another number of classes", "0.bin,4,0\n", /has 4 classes, the model's output 3 elements$/],
  ["a missing file", "0.bin,3,0\nabsent.bin,3,0\n", /absent\.bin: no such file or folder$/],
  ["two inputs in a file", "0.bin,3,0\ntwo.bin,3,0\n", /2 labels for 3 inputs/],
  ["no line at all", "", /y_labels\.csv: is empty$/],
])("%s is one clear error", (name, csv, message) => {
  const folder = dataset(name.replaceAll(" ", "-"), [[1, 0, 0, 0]]);
  write(`${name.replaceAll(" ", "-")}/1.bin`, Uint8Array.of(1, 2, 3));
  write(`${name.replaceAll(" ", "-")}/two.bin`, Uint8Array.of(1, 2, 3, 4, 5, 6));
  write(`${name.replaceAll(" ", "-")}/y_labels.csv`, csv);
  const { code, stdout, stderr } = thumbnet("eval", model, folder);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^thumbnet: [^\n]+\n$/);
  expect(stderr.trim()).toMatch(message);
});

test("a file, or a folder without y_labels.csv, is no data set", () => {
  expect(thumbnet("eval", model, path("data/0.bin")).stderr).toMatch(
    /0\.bin: is a file; a data set is a folder/,
  );
  mkdirSync(path("unlabelled"));
  expect(thumbnet("eval", model, path("unlabelled")).stderr).toMatch(
    /unlabelled\S*: has no y_labels\.csv; folders named as the classes need/,
  );
});

describe.skipIf(!hasShared)("the reference models", () => {
  // The golden outputs give these counts; published: 90.1 % keywords, 85 % pictures, on the whole sets.
  test.each([
    ["kws_ref_model", "kws01", 449, 500],
    ["pretrainedResnet_quant", "ic01", 84, 100],
    ["vww_96_int8", "vww01", 156, 200],
  ])("%s on %s", (name, set, correct, count) => {
    const file = sharedPath("models", "mlperf-tiny", `${name}.tflite`);
    expect(thumbnetJson("eval", file, sharedPath("data", set))).toMatchObject({ correct, count });
  });
});
