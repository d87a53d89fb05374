import { ThumbnetError } from "../errors.ts";
import { decodeBase64 } from "../wasm.ts";
import { scalar, simd } from "./wasm.generated.ts";

/** Which build of the kernels runs: both give the same bytes. */
export type Engine = "simd" | "scalar";

/** What `assembly/index.ts` exports. Addresses and sizes are bytes. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  workspaceBytes(image: number): number;
  prepare(image: number, workspace: number): void;
  /** Channels that got each form of requantisation, by form: see `assembly/support/solve.ts`. */
  requantizationForms(form: number): number;
  run(image: number, arena: number, workspace: number, first: number, last: number): void;
}

/** (module (func (result v128) i32.const 0 i8x16.splat)): valid only where SIMD is supported. */
const SIMD_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123],
  ...[3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
);

const INLINED: Readonly<Record<Engine, string>> = { scalar, simd };

let hasSimd: boolean | undefined;

export function supportsSimd(): boolean {
  hasSimd ??= WebAssembly.validate(SIMD_PROBE);
  return hasSimd;
}

const compiled = new Map<Engine, Promise<WebAssembly.Module>>();

/** A fresh instance of the kernels with its own memory; each build is compiled once. */
export async function instantiate(engine: Engine): Promise<Kernels> {
  if (engine === "simd" && !supportsSimd()) {
    throw new ThumbnetError('this machine\'s WebAssembly has no SIMD: use the engine "scalar"');
  }
  let module = compiled.get(engine);
  if (!module) {
    module = inflate(decodeBase64(INLINED[engine])).then((bytes) => WebAssembly.compile(bytes));
    compiled.set(engine, module);
  }
  const instance = instantiateNow(await module) ?? (await WebAssembly.instantiate(await module, {}));
  return instance.exports as unknown as Kernels;
}

/**
 * At once: the asynchronous way takes a turn of the event loop, in which Node waits for all that V8 compiles in the
 * background. Null where a page's main thread refuses a module of this size, as older browsers do.
 */
function instantiateNow(module: WebAssembly.Module): WebAssembly.Instance | null {
  try {
    return new WebAssembly.Instance(module);
  } catch {
    return null;
  }
}

/** The build keeps the modules deflated. Node's own zlib starts many times faster than its web streams. */
async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<BufferSource> {
  const zlib = globalThis.process?.getBuiltinModule?.("node:zlib");
  if (zlib) return zlib.inflateRawSync(bytes);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}
