/** What only the repository has: peers, ceilings, reference models. The published package goes without. */
import { ThumbnetError } from "../errors.ts";

/** The module of `bench/ceilings`. */
export interface CeilingsModule {
  ceilings(): Promise<Ceiling[]>;
  /** A loop in WebAssembly around an instance's `run`. */
  repeater(run: unknown): Promise<(times: number, ...run: number[]) => void>;
}

/** A loop of bare arithmetic. */
export interface Ceiling {
  readonly name: string;
  readonly unit: "MAC" | "element";
  /** Units of one pass. */
  readonly work: number;
  /** Returns a checksum. */
  run(passes: number): number;
}

/** A peer's model. */
export interface PeerModel {
  /** One inference: the input as int8, NHWC, to the outputs, one after the other. */
  run(input: Int8Array): Promise<Int8Array> | Int8Array;
  dispose(): Promise<void> | void;
}

/** As `bench/peers/index.mjs` has them. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** Gzipped script and WebAssembly that a page must load; null: not for pages. */
  readonly bytes: number | null;
  load(tflite: Uint8Array, name: string): Promise<PeerModel>;
}

/** Inputs of a model with the exact outputs of the chip's kernels. */
export interface Golden {
  readonly inputs: readonly Int8Array[];
  readonly outputs: readonly Int8Array[];
}

/** The module of `bench/peers`. */
export interface PeersModule {
  peers(onMissing: (name: string, reason: string) => void): Promise<Peer[]>;
  /** Paths of the reference models, where they lie beside the repository. */
  referenceModels(): string[];
  /** What is known of a model; empty where it is no reference model. */
  goldens(tflite: Uint8Array): Golden[];
}

/**
 * Imports a module of the repository's folder `bench`.
 *
 * @param what the option that needs it, for the message
 * @throws ThumbnetError where it cannot be had
 */
export async function importBench<Module>(path: string, what: string): Promise<Module> {
  try {
    return await import(new URL(`../../bench/${path}`, import.meta.url).href);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new ThumbnetError(`${what} needs the folder bench of the repository, installed there: ${reason}`);
  }
}
