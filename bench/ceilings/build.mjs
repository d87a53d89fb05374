// @ts-check
/**
 * Compiles this folder's AssemblyScript as `asconfig.json` does the runtime's, into build/bench/ of the repository;
 * again only where a source is newer.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const target = fileURLToPath(new URL("../../build/bench/", import.meta.url));

/**
 * @param {string} file a source of this folder
 * @returns {Promise<Uint8Array<ArrayBuffer>>} the module
 */
export async function compile(file) {
  const source = join(folder, file);
  const output = join(target, `${basename(file, ".ts")}.wasm`);
  if (!isNewer(output, source)) {
    const { default: asc } = await import("assemblyscript/asc");
    const flags = ["-O3", "--runtime", "stub", "--noAssert", "--enable", "simd", "--initialMemory", "1"];
    /** @type {Uint8Array | null} */
    let module = null;
    const { error, stderr } = await asc.main([file, "--outFile", "module.wasm", ...flags], {
      readFile: (/** @type {string} */ name) => {
        try {
          return readFileSync(join(folder, name), "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (/** @type {string} */ _, /** @type {string | Uint8Array} */ content) => {
        if (typeof content !== "string") module = content;
      },
      listFiles: () => [],
    });
    if (error || module === null) throw new Error(`bench/ceilings/${file}: ${stderr.toString() || error}`);
    mkdirSync(target, { recursive: true });
    writeFileSync(output, module);
  }
  return new Uint8Array(readFileSync(output));
}

/** @param {string} output @param {string} source */
function isNewer(output, source) {
  const made = statSync(output, { throwIfNoEntry: false });
  return made !== undefined && made.mtimeMs > statSync(source).mtimeMs;
}
