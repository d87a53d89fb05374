import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openInputs } from "../../src/data/inputs.ts";
import { readDataset } from "../../src/data/labels.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { FloatModel } from "../../src/quantize/float-model.ts";
import { loadModel } from "../../src/runtime/load.ts";
import { dequantize } from "../../src/runtime/tensors.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { thumbnet, thumbnetJson } from "../cli/cli.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODELS = join(ROOT, "models");
const folders = readdirSync(MODELS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const graphOf = (path: string) => graphFromTflite(readTflite(readFileSync(path)), basename(path));
const inputShape = (graph: Graph) => graph.tensors[graph.inputs[0]!]!.shape;

const models = folders.flatMap((folder) =>
  readdirSync(join(MODELS, folder))
    .filter((file) => file.endsWith(".tflite"))
    .map((file) => ({ folder, file })),
);

test.each(models)("$folder/$file: float file, labels and card go with it", async ({ folder, file }) => {
  const at = (name: string) => join(MODELS, folder, name);
  const [int8, float] = [graphOf(at(file)), graphOf(at(`float/${file}`))];
  expect(inputShape(float)).toEqual(inputShape(int8));
  expect(int8.tensors[int8.inputs[0]!]!.dtype).toBe("int8");
  expect(float.tensors[float.inputs[0]!]!.dtype).toBe("float32");
  const labels = readFileSync(at("labels.txt"), "utf8").trim().split("\n");
  expect(int8.tensors[int8.outputs[0]!]!.shape).toEqual([1, labels.length]);
  const card = readFileSync(at("README.md"), "utf8");
  expect(card).toContain(`\`${file}\``);
  expect(card).toMatch(/^## Licence/m);
});

const sampled = models.filter(({ folder }) => readdirSync(join(MODELS, folder)).includes("samples"));

test.each(sampled)("$folder/$file: int8 and float answer alike on the samples", async ({ folder, file }) => {
  const at = (name: string) => join(MODELS, folder, name);
  const model = await loadModel(readFileSync(at(file)));
  const float = new FloatModel(graphOf(at(`float/${file}`)));
  const inputs = await openInputs([at("samples")], model.inputs, { inputType: "auto" });
  const labels = await readDataset(at("samples"));
  expect(labels).toHaveLength(inputs.count);
  let right = 0;
  for (let i = 0; i < inputs.count; i++) {
    const [input] = await inputs.read(i);
    const own = dequantize(model.runAll([input!])[0]!, model.outputs[0]!);
    const theirs = float.run(dequantize(input!, model.inputs[0]!));
    own.forEach((probability, c) => {
      expect(Math.abs(probability - theirs[c]!)).toBeLessThan(0.25);
    });
    if (own.indexOf(Math.max(...own)) === labels[i]!.label) right++;
  }
  // Most, not all: cards say which are wrong.
  expect(right).toBeGreaterThan(0.7 * inputs.count);
});

test("the README's first command classifies with a shipped model, by label", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, command] = /npx thumbnet (.*)$/m.exec(readme)!;
  const [name, ...paths] = command!.split(" ");
  const args = paths.map((path) => join(ROOT, path));
  expect(name).toBe("run");
  const { code, stdout } = thumbnet(name!, ...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^yes\.wav +\d+ +yes +0\.\d+/m);
  const { results } = thumbnetJson(name!, ...args);
  const right = results.filter(
    (result: { name: string; outputs: { label: string }[] }) =>
      result.name === `${result.outputs[0]!.label}.wav`,
  );
  expect(right.length).toBeGreaterThanOrEqual(8);
});
