import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import { type Content, referenceRun } from "../reference/run.ts";
import { GOLDEN_NAMES, loadGolden } from "../support/goldens.ts";
import { OPERATOR_KINDS, type RandomGraph, randomGraph, randomOperatorGraph } from "../support/random-graph.ts";
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
  readonly operators: readonly (readonly { readonly kind: string; readonly crc32: string }[])[];
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
