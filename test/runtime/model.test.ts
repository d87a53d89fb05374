import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { dequantize, type Engine, loadModel, quantize, ThumbnetError } from "../../src/index.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import { referenceRun } from "../reference/run.ts";
import { type RandomGraph, randomGraph } from "../support/random-graph.ts";

const ENGINES: Engine[] = ["scalar", "simd"];

/** The first seeded graph that has what a test needs. */
function graphWhere(condition: (g: RandomGraph) => boolean): RandomGraph {
  for (let seed = 0; seed < 5000; seed++) {
    const candidate = randomGraph(seed);
    if (condition(candidate)) return candidate;
  }
  throw new Error("no such graph");
}

const dtypes = ({ graph }: RandomGraph, of: "inputs" | "outputs") =>
  graph[of].map((t) => graph.tensors[t]!.dtype);
const isPlain = (g: RandomGraph) =>
  dtypes(g, "inputs").join() === "int8" && dtypes(g, "outputs").join() === "int8";

const plain = graphWhere(isPlain);
const file = writeTflite(tfliteFromGraph(plain.graph));
const input = plain.inputs[0] as Int8Array;
const expected = referenceRun(plain.graph, plain.inputs)[plain.graph.outputs[0]!] as Int8Array;

describe("loadModel", () => {
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("takes bytes, an ArrayBuffer, a file: URL, an http: URL and a Response, .tflite or image", async () => {
    const image = compileGraph(plain.graph);
    const path = join(folder, "model.tflite");
    writeFileSync(path, file);
    const server = createServer((_, response) => response.end(file)).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const url = new URL(`http://127.0.0.1:${port}/model.tflite`);
    const padded = new Uint8Array(file.length + 3);
    padded.set(file, 3);
    try {
      const sources = [
        file,
        file.slice().buffer,
        padded.subarray(3),
        pathToFileURL(path),
        url,
        await fetch(url),
        image,
      ];
      for (const source of sources) {
        const model = await loadModel(source as Uint8Array);
        expect(model.run(input)).toEqual(expected);
      }
    } finally {
      server.close();
    }
  });

  it("says what it cannot load", async () => {
    const missing = pathToFileURL(join(folder, "missing.tflite"));
    await expect(loadModel(missing)).rejects.toThrow(/missing\.tflite.*no such file/);
    await expect(loadModel(new Response("", { status: 404 }))).rejects.toThrow(/404/);
    await expect(loadModel("model.tflite" as unknown as URL)).rejects.toThrow(/string "model\.tflite"/);
    await expect(loadModel(new Uint8Array(0))).rejects.toThrow(ThumbnetError);
    await expect(loadModel(new TextEncoder().encode("hello, this is no model"))).rejects.toThrow(
      ThumbnetError,
    );
    await expect(loadModel(file, { engine: "gpu" as Engine })).rejects.toThrow(/"gpu".*"simd" and "scalar"/);
    await expect(loadModel(file.subarray(0, 99), { name: "cut.tflite" })).rejects.toThrow(/cut\.tflite/);
  });

  it("does not keep the caller's bytes", async () => {
    const copy = file.slice();
    const model = await loadModel(copy);
    copy.fill(0);
    expect(model.run(input)).toEqual(expected);
  });
});

describe.each(ENGINES)("Model, %s", (engine) => {
  it("describes inputs and outputs", async () => {
    const model = await loadModel(file, { engine });
    const { name, shape, quantization } = plain.graph.tensors[plain.graph.inputs[0]!]!;
    const [scale, zeroPoint] = [quantization!.scales[0], quantization!.zeroPoints[0]];
    expect(model.inputs).toEqual([{ name, shape, dtype: "int8", scale, zeroPoint, elements: input.length }]);
    expect(model.outputs).toHaveLength(1);
    expect(model.engine).toBe(engine);
  });

  it("runs a batch as one after the other", async () => {
    const model = await loadModel(file, { engine });
    const other = input.map((q) => ~q);
    const batch = Int8Array.of(...input, ...other, ...input);
    expect(model.run(batch)).toEqual(
      Int8Array.of(...model.run(input), ...model.run(other), ...model.run(input)),
    );
    expect(model.run(input)).toEqual(expected);
  });

  it("returns outputs that later runs leave alone", async () => {
    const model = await loadModel(file, { engine });
    const first = model.run(input);
    model.run(input.map((q) => ~q));
    expect(first).toEqual(expected);
  });

  it("runs several models at once", async () => {
    const graphs = [1, 2, 3, 4].map((seed) => randomGraph(seed));
    const models = await Promise.all(graphs.map(({ graph }) => loadModel(compileGraph(graph), { engine })));
    for (let round = 0; round < 2; round++) {
      graphs.forEach(({ graph, inputs }, i) => {
        const contents = referenceRun(graph, inputs);
        const traced = models[i]!.trace(inputs).at(-1)!.bytes;
        const last = contents[graph.operators.at(-1)!.outputs[0]!]!;
        expect(Buffer.compare(traced, new Uint8Array(last.buffer))).toBe(0);
      });
    }
  });

  it("takes and gives every input and output, uint8 ones too", async () => {
    const many = graphWhere(
      (g) =>
        g.graph.inputs.length > 1 && g.graph.outputs.length > 1 && !dtypes(g, "outputs").includes("float32"),
    );
    const bytes = graphWhere(
      (g) => dtypes(g, "inputs").join() === "uint8" && dtypes(g, "outputs").includes("uint8"),
    );
    for (const { graph, inputs } of [many, bytes]) {
      const model = await loadModel(compileGraph(graph), { engine });
      const contents = referenceRun(graph, inputs);
      expect(model.runAll(inputs)).toEqual(graph.outputs.map((t) => contents[t]));
    }
  });

  it("quantises float input and leaves a float output quantised", async () => {
    const g = graphWhere(
      (g) => dtypes(g, "inputs").join() === "float32" && dtypes(g, "outputs").join() === "float32",
    );
    const model = await loadModel(compileGraph(g.graph), { engine });
    const output = model.run(g.inputs[0] as Float32Array);
    const contents = referenceRun(g.graph, g.inputs);
    expect(dequantize(output, model.outputs[0]!)).toEqual(contents[g.graph.outputs[0]!]);

    const int8 = await loadModel(file, { engine });
    const reals = dequantize(input, int8.inputs[0]!);
    expect(quantize(reals, int8.inputs[0]!)).toEqual(input);
    expect(int8.run(reals)).toEqual(expected);
  });

  it("refuses wrong inputs with one clear error", async () => {
    const model = await loadModel(file, { engine });
    const { name } = model.inputs[0]!;
    expect(() => model.run(input.subarray(1))).toThrow(
      new RegExp(`"${name}".*${input.length} elements.*${input.length - 1}`),
    );
    expect(() => model.run(new Int8Array(0))).toThrow(ThumbnetError);
    expect(() => model.run(new Uint8Array(input.length))).toThrow(/takes int8.*not Uint8Array/);
    expect(() => model.run([...input] as unknown as Int8Array)).toThrow(ThumbnetError);
    expect(() => model.run([input, input])).toThrow(/takes 1 inputs.*2 were given/);
    expect(() => model.run(null as unknown as Int8Array)).toThrow(ThumbnetError);
    expect(() => model.run(new Float32Array(input.length).fill(Number.NaN))).toThrow(/element 0 is NaN/);
    expect(() => model.trace(Int8Array.of(...input, ...input))).toThrow(/batch of 2/);
    expect(() => model.profile(input, { repetitions: 0 })).toThrow(/repetitions is 0/);
  });

  it("profiles every operator", async () => {
    const model = await loadModel(file, { engine });
    const profile = model.profile(input, { repetitions: 3 });
    expect(profile.map(({ index, name }) => ({ index, name }))).toEqual(
      plain.graph.operators.map(({ kind }, index) => ({ index, name: kind })),
    );
    for (const { microseconds } of profile) expect(microseconds).toBeGreaterThanOrEqual(0);
  });

  it("says so when used after dispose", async () => {
    const model = await loadModel(file, { engine });
    model.dispose();
    model.dispose();
    expect(() => model.run(input)).toThrow(/disposed/);
    expect(() => model.trace(input)).toThrow(/disposed/);
  });
});
