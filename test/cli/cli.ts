/** Runs the built command line as a child process, and makes small model files for it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { DType, Graph, Operator, Quantization, Tensor } from "../../src/graph/graph.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { writeTflite } from "../../src/tflite/write.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function thumbnet(...args: string[]): CliResult {
  if (!existsSync(MAIN)) throw new Error("dist/cli/main.js is missing: npm run build");
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
  });
  if (error) throw error;
  return { code: status, stdout, stderr };
}

/** Standard output as JSON, of a run that must succeed. */
export function thumbnetJson(...args: string[]) {
  const { code, stdout, stderr } = thumbnet(...args, "--json");
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** What a run says on standard error, which must fail. */
export function thumbnetError(...args: string[]): string {
  const { code, stdout, stderr } = thumbnet(...args);
  if (code === 0) throw new Error(`exit code 0: ${stdout}`);
  return stderr;
}

/** Sends SIGINT to a run as soon as a file is there. @returns its exit code */
export async function interruptOnce(file: string, ...args: string[]): Promise<number | null> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: "ignore" });
  const watch = setInterval(() => {
    if (!existsSync(file)) return;
    clearInterval(watch);
    child.kill("SIGINT");
  }, 10);
  const [code] = (await once(child, "exit")) as [number | null];
  clearInterval(watch);
  return code;
}

/** A folder for the files of one test file, removed at the end. */
export function temporaryFolder(): TemporaryFolder {
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-cli-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, name);
  const write: Writer = (name, content) => {
    writeFileSync(path(name), content);
    return path(name);
  };
  const fresh = () => mkdtempSync(join(folder, "fresh-"));
  return { path, write, fresh };
}

type Writer = (name: string, content: Uint8Array | string) => string;

interface TemporaryFolder {
  readonly path: (name: string) => string;
  /** @returns the path */
  readonly write: Writer;
  /** A new folder in it. */
  readonly fresh: () => string;
}

interface TensorOptions {
  readonly dtype?: DType;
  readonly scale?: number;
  readonly zeroPoint?: number;
  readonly data?: Int8Array | Int32Array;
}

export function tensor(name: string, shape: readonly number[], options: TensorOptions = {}): Tensor {
  const { dtype = "int8", scale = 0.5, zeroPoint = 0, data } = options;
  const quantization: Quantization | null =
    dtype === "float32" ? null : { scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: 0 };
  return { name, shape, dtype, quantization, data: data ? new Uint8Array(data.slice().buffer) : null };
}

export function tflite(
  name: string,
  tensors: Tensor[],
  operators: Operator[],
  inputs: number[],
  outputs: number[],
): Uint8Array {
  const graph: Graph = { name, tensors, operators, inputs, outputs };
  return writeTflite(tfliteFromGraph(graph));
}

/** A model that gives its input back, under another shape: what the command line reads can be seen. */
export function identityModel(shape: readonly number[], options: TensorOptions = {}): Uint8Array {
  const elements = shape.reduce((a, b) => a * b, 1);
  const tensors = [tensor("in", shape, options), tensor("out", [1, elements], options)];
  const reshape: Operator = { kind: "RESHAPE", inputs: [0], outputs: [1], options: {} };
  return tflite("identity", tensors, [reshape], [0], [1]);
}

/** CONV_2D [1,4,4,2] -> [1,4,4,3], RESHAPE, FULLY_CONNECTED [1,5], SOFTMAX. */
export function smallModel(): Uint8Array {
  const ramp = (count: number) => Int8Array.from({ length: count }, (_, i) => ((i * 37 + 11) % 255) - 127);
  const bias = (count: number) => Int32Array.from({ length: count }, (_, i) => 100 * i - 150);
  const weights = { scale: 0.01, zeroPoint: 0 };
  const tensors = [
    tensor("picture", [1, 4, 4, 2], { scale: 0.05, zeroPoint: -3 }),
    tensor("conv/weights", [3, 3, 3, 2], { ...weights, data: ramp(54) }),
    tensor("conv/bias", [3], { dtype: "int32", scale: 0.0005, data: bias(3) }),
    tensor("conv", [1, 4, 4, 3], { scale: 0.2, zeroPoint: 4 }),
    tensor("flat", [1, 48], { scale: 0.2, zeroPoint: 4 }),
    tensor("dense/weights", [5, 48], { ...weights, data: ramp(240) }),
    tensor("dense/bias", [5], { dtype: "int32", scale: 0.002, data: bias(5) }),
    tensor("dense", [1, 5], { scale: 0.4, zeroPoint: 2 }),
    tensor("scores", [1, 5], { scale: 1 / 256, zeroPoint: -128 }),
  ];
  const window = {
    padding: "SAME",
    strideHeight: 1,
    strideWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
  } as const;
  const operators: Operator[] = [
    { kind: "CONV_2D", inputs: [0, 1, 2], outputs: [3], options: { ...window, activation: "RELU" } },
    { kind: "RESHAPE", inputs: [3], outputs: [4], options: {} },
    {
      kind: "FULLY_CONNECTED",
      inputs: [4, 5, 6],
      outputs: [7],
      options: { activation: "NONE", keepNumDims: false },
    },
    { kind: "SOFTMAX", inputs: [7], outputs: [8], options: { beta: 1 } },
  ];
  return tflite("small", tensors, operators, [0], [8]);
}
