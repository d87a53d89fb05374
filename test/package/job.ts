import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { elementCount } from "../../src/graph/shape.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import { type Content, referenceRun } from "../reference/run.ts";
import { GOLDEN_NAMES, loadGolden } from "../support/goldens.ts";
import { REPOSITORY } from "../support/packed.ts";
import { Random } from "../support/random.ts";
import {
  OPERATOR_KINDS,
  type RandomGraph,
  randomGraph,
  randomOperatorGraph,
} from "../support/random-graph.ts";
import { hasShared } from "../support/shared.ts";

/** Models, inputs and what must come out, as files of a folder, for programs that have only the package. */
export interface Job {
  readonly cases: readonly JobCase[];
}

export interface JobCase {
  readonly name: string;
  readonly runs: number;
  /** File names: the model; then each input and output, run after run. */
  readonly model: string;
  readonly inputs: readonly { readonly file: string; readonly type: "int8" | "uint8" | "float32" }[];
  readonly outputs: readonly string[];
  /** For the first runs: kind of each operator and CRC-32 of what it made. */
  readonly operators: readonly (readonly { readonly kind: string; readonly crc32: number }[])[];
}

/** What a program did with a job. */
export interface Verdict {
  /** Where it ran, in its own words. */
  readonly host: string;
  readonly failures: readonly string[];
  readonly runs: number;
  readonly outputBytes: number;
  readonly operators: number;
}

type Files = Map<string, Uint8Array>;

/** Writes the job's files; gives what a program that does all of it must have counted. */
export async function writeJob(folder: string): Promise<Omit<Verdict, "host">> {
  const files: Files = new Map();
  const cases = [
    ...OPERATOR_KINDS.map((kind) => networkCase(randomOperatorGraph(kind, 1), files)),
    ...Array.from({ length: 20 }, (_, seed) => networkCase(randomGraph(seed), files)),
    networkCase(digits(), files),
    ...(hasShared ? GOLDEN_NAMES.map((name) => goldenCase(name, files)) : []),
  ];
  await mkdir(folder);
  for (const [name, content] of files) await writeFile(join(folder, name), content);
  await writeFile(join(folder, "job.json"), JSON.stringify({ cases } satisfies Job));
  return {
    failures: [],
    runs: sum(cases.map(({ runs }) => runs)),
    outputBytes: sum(cases.flatMap(({ outputs }) => outputs.map((file) => files.get(file)!.length))),
    operators: sum(cases.flatMap(({ operators }) => operators.map((run) => run.length))),
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function goldenCase(name: string, files: Files): JobCase {
  const { model, inputs, outputs, crcs, layers } = loadGolden(name);
  files.set(`${name}.tflite`, model);
  files.set(`${name}.input`, bytesOf(inputs));
  files.set(`${name}.output`, bytesOf(outputs));
  return {
    name,
    runs: crcs.length,
    model: `${name}.tflite`,
    inputs: [{ file: `${name}.input`, type: "int8" }],
    outputs: [`${name}.output`],
    operators: layers.map((run) =>
      run.layers.map(({ kind, crc32 }) => ({ kind, crc32: Number.parseInt(crc32, 16) })),
    ),
  };
}

function networkCase({ graph, inputs }: RandomGraph, files: Files): JobCase {
  const contents = referenceRun(graph, inputs);
  const name = graph.name.replaceAll(" ", "-");
  files.set(`${name}.tflite`, writeTflite(tfliteFromGraph(graph)));
  const inputFiles = inputs.map((content, i) => {
    files.set(`${name}.input${i}`, bytesOf(content));
    return { file: `${name}.input${i}`, type: graph.tensors[graph.inputs[i]!]!.dtype as "int8" };
  });
  const outputFiles = graph.outputs.map((tensor, i) => {
    // A float32 output is left quantised by the engines: as it enters its DEQUANTIZE.
    const producer = graph.operators.find(({ outputs }) => outputs[0] === tensor);
    const stored = producer?.kind === "DEQUANTIZE" ? producer.inputs[0]! : tensor;
    files.set(`${name}.output${i}`, bytesOf(contents[stored]!));
    return `${name}.output${i}`;
  });
  const operators = graph.operators.map(({ kind, outputs }) => ({
    kind,
    crc32: crc32(bytesOf(contents[outputs[0]!]!)),
  }));
  return {
    name,
    runs: 1,
    model: `${name}.tflite`,
    inputs: inputFiles,
    outputs: outputFiles,
    operators: [operators],
  };
}

/** The model that comes with the project, on a picture of noise. */
function digits(): RandomGraph {
  const file = readFileSync(join(REPOSITORY, "models/digits/digits.tflite"));
  const graph = graphFromTflite(readTflite(file), "digits");
  const random = new Random(1);
  const size = elementCount(graph.tensors[graph.inputs[0]!]!.shape);
  return { graph, inputs: [Int8Array.from({ length: size }, () => random.integer(-128, 127))] };
}

function bytesOf({ buffer, byteOffset, byteLength }: Content): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
