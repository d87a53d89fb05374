/** How long it takes to load a model, in processes of their own: what was loaded before makes a difference. */
import { fileURLToPath } from "node:url";
import { ThumbnetError } from "../errors.ts";
import type { Engine } from "../runtime/engine.ts";
import { runNode } from "./process.ts";
import { median } from "./rounds.ts";

/** From a file's bytes to the first output, in milliseconds; the WebAssembly has been compiled before. */
export interface LoadTimes {
  /** The first load of a process: V8 has run nothing of the code. */
  readonly first: number;
  /** Its 4th to 12th. */
  readonly later: number;
}

/** Loads in a process, of which so many are not counted as later ones. */
export const LOADS = 12;
const EARLY = 3;
const PROCESSES = 5;

/** Medians over processes. @throws ThumbnetError when the model cannot be loaded */
export async function loadTimes(bytes: Uint8Array, engine: Engine): Promise<LoadTimes> {
  const processes: number[][] = [];
  for (let i = 0; i < PROCESSES; i++) processes.push(await oneProcess(bytes, engine));
  return {
    first: median(processes.map(([first]) => first!)),
    later: median(processes.map((milliseconds) => median(milliseconds.slice(EARLY)))),
  };
}

async function oneProcess(bytes: Uint8Array, engine: Engine): Promise<number[]> {
  const entry = fileURLToPath(new URL("./load-process.js", import.meta.url));
  try {
    return JSON.parse((await runNode([entry, engine], bytes)).stdout);
  } catch (error) {
    throw new ThumbnetError(`cannot time the load of a model: ${(error as Error).message}`);
  }
}
