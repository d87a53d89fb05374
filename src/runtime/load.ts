import { ThumbnetError } from "../errors.ts";
import { type CompileOptions, prepareTflite } from "../plan/compile.ts";
import { isImage, readImage } from "../plan/image.ts";
import { type Engine, instantiate, supportsSimd } from "./engine.ts";
import { Model } from "./model.ts";
import { type ModelSource, readSource } from "./source.ts";

export interface LoadOptions extends CompileOptions {
  /** Default: SIMD where the machine has it. */
  readonly engine?: Engine;
  /** What error messages call the model; default: the file's name. */
  readonly name?: string;
}

/**
 * Loads a model from a `.tflite` file or a thumbnet image.
 *
 * @throws ThumbnetError when the source cannot be read, is damaged, or holds what is not supported
 */
export async function loadModel(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const engine = options.engine ?? (supportsSimd() ? "simd" : "scalar");
  if (engine !== "simd" && engine !== "scalar") {
    throw new ThumbnetError(`no engine "${String(engine)}": there are "simd" and "scalar"`);
  }
  const { bytes, name: fileName } = await readSource(source);
  const name = options.name ?? fileName;
  const image = isImage(bytes)
    ? readImage(bytes, name)
    : prepareTflite(bytes, name, { target: "wasm", ...options });
  return new Model(image, await instantiate(engine), engine, name);
}
