import { type Image, readImage } from "../plan/image.ts";
import type { Engine } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import { type InputData, inputBytes, tensorInfo } from "../runtime/tensors.ts";
import { type HostOptions, runHost } from "./host.ts";

/** What an operator left behind, in the order of the model file. */
export interface Step {
  /** The output's bytes as the chip has them; none where it never exists whole. */
  readonly stored: Uint8Array;
  /** The whole arena. */
  readonly arena: Uint8Array;
}

/** What a run left behind: up to the early exit that answered, else of all operators. */
export interface Run {
  readonly steps: readonly Step[];
  /** The output that answered: an early exit's, or the final one. */
  readonly answered: number;
}

export interface Job {
  readonly image: Uint8Array;
  readonly inputs: readonly InputData[];
}

/** One way to run images. All of them must leave the same bytes after every operator. */
export interface Implementation {
  readonly name: string;
  /** Runs each job once, from an arena of zeros. */
  runs(jobs: readonly Job[]): Promise<Run[]>;
}

export function webAssembly(engine: Engine): Implementation {
  return {
    name: `WebAssembly, ${engine}`,
    async runs(jobs) {
      const all: Run[] = [];
      for (const { image, inputs } of jobs) {
        const model = await loadModel(image, { engine });
        const trace = model.trace(inputs, { arena: true, stop: true });
        const steps = trace.map(({ stored, arena }) => ({ stored, arena: arena! }));
        const exit = trace.find((entry) => entry.exit?.answers)?.exit;
        all.push({ steps, answered: exit ? model.exits[exit.index]!.output : model.finalOutput });
        model.dispose();
      }
      return all;
    },
  };
}

export function hostC(options: HostOptions = {}): Implementation {
  return {
    name: options.sanitize ? "C on the host, sanitized" : "C on the host",
    async runs(jobs) {
      const hostJobs = jobs.map(({ image, inputs }) => {
        return { image, runs: [Buffer.concat(storedInputs(readImage(image), inputs))] };
      });
      return runHost(hostJobs, options).map(([run]) => run!);
    },
  };
}

/** The C kernels as ARMv6-M code on an emulated RP2040. */
export function emulatedChip(): Implementation {
  return {
    name: "emulated chip",
    async runs(jobs) {
      const { createEmulator } = await import("./emulator.ts");
      return jobs.map(({ image, inputs }) => {
        const { operators, answered } = createEmulator(image).run(inputs, { arena: true });
        return { steps: operators.map(({ stored, arena }) => ({ stored, arena: arena! })), answered };
      });
    },
  };
}

/** Each input as it lies in the arena. */
export function storedInputs(image: Image, inputs: readonly InputData[]): Uint8Array[] {
  return inputs.map((data, i) => {
    const { name, tensor } = image.inputs[i]!;
    return inputBytes(data, tensorInfo(name, tensor)).bytes;
  });
}
