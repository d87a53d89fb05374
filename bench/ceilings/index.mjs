// @ts-check
/**
 * Ceilings for kernels, and the driver that times them; for `thumbnet bench --kernels`.
 *
 * @typedef {object} Ceiling
 * @property {string} name
 * @property {"MAC" | "element"} unit
 * @property {number} work units of one pass
 * @property {(passes: number) => number} run returns a checksum
 *
 * @typedef {(times: number, image: number, arena: number, workspace: number, first: number, last: number) => void} Repeat
 */
import { compile } from "./build.mjs";

/** @returns {Promise<Ceiling[]>} */
export async function ceilings() {
  const { instance } = await WebAssembly.instantiate(await compile("index.ts"), {});
  const exports = /** @type {Record<string, (passes?: number) => number>} */ (
    /** @type {unknown} */ (instance.exports)
  );
  /** @param {string} name */
  const exported = (name) => {
    const value = exports[name];
    if (value === undefined) throw new Error(`bench/ceilings/index.ts exports no ${name}`);
    return value;
  };
  exported("fill")();
  return [
    { name: "multiply", unit: "MAC", work: exported("multiplyWork")(), run: exported("multiply") },
    { name: "depthwise", unit: "MAC", work: exported("depthwiseWork")(), run: exported("depthwise") },
    {
      name: "requantize float",
      unit: "element",
      work: exported("requantizeWork")(),
      run: exported("requantizeFloat"),
    },
    {
      name: "requantize double",
      unit: "element",
      work: exported("requantizeWork")(),
      run: exported("requantizeDouble"),
    },
  ];
}

/**
 * A loop in WebAssembly around an instance's `run`.
 *
 * @param {Function} run @returns {Promise<Repeat>}
 */
export async function repeater(run) {
  const module = await WebAssembly.compile(await compile("repeat.ts"));
  const [imported] = WebAssembly.Module.imports(module);
  if (imported === undefined) throw new Error("bench/ceilings/repeat.ts imports nothing");
  const instance = await WebAssembly.instantiate(module, { [imported.module]: { [imported.name]: run } });
  return /** @type {Repeat} */ (/** @type {unknown} */ (instance.exports.repeat));
}
