import { type Engine, type InputData, loadModel } from "../../src/index.ts";
import { type HostOptions, hostCompiler, runHost } from "../../src/mcu/host.ts";
import { readImage } from "../../src/plan/image.ts";
import { inputBytes, tensorInfo } from "../../src/runtime/tensors.ts";

/** What an operator left behind, in the order of the model file. */
export interface Step {
  /** The output's bytes as the chip has them. */
  readonly stored: Uint8Array;
  /** The whole arena. */
  readonly arena: Uint8Array;
}

export interface Job {
  readonly image: Uint8Array;
  readonly inputs: readonly InputData[];
}

/** One way to run images. All of them must leave the same bytes after every operator. */
export interface Implementation {
  readonly name: string;
  /** Runs each job once, from an arena of zeros. */
  steps(jobs: readonly Job[]): Promise<Step[][]>;
}

function webAssembly(engine: Engine): Implementation {
  return {
    name: `WebAssembly, ${engine}`,
    steps: (jobs) =>
      Promise.all(
        jobs.map(async ({ image, inputs }) => {
          const model = await loadModel(image, { engine });
          const steps = model
            .trace(inputs, { arena: true })
            .map(({ stored, arena }) => ({ stored, arena: arena! }));
          model.dispose();
          return steps;
        }),
      ),
  };
}

function host(name: string, options: HostOptions): Implementation {
  return {
    name,
    async steps(jobs) {
      const hostJobs = jobs.map(({ image, inputs }) => ({ image, runs: [storedInputs(image, inputs)] }));
      return runHost(hostJobs, options).map(([run]) => run!);
    },
  };
}

/** The inputs one after the other, as they lie in the arena. */
export function storedInputs(image: Uint8Array, inputs: readonly InputData[]): Uint8Array {
  const ports = readImage(image).inputs;
  return Buffer.concat(
    inputs.map((data, i) => inputBytes(data, tensorInfo(ports[i]!.name, ports[i]!.tensor)).bytes),
  );
}

if (!hostCompiler()) console.warn("SKIPPED: the C kernels on the host (no C compiler; install gcc or clang)");

/** In the order of their speed. */
export const IMPLEMENTATIONS: readonly Implementation[] = [
  webAssembly("scalar"),
  webAssembly("simd"),
  ...(hostCompiler() ? [host("C on the host, sanitized", { sanitize: true })] : []),
];
