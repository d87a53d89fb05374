import { ThumbnetError } from "../errors.ts";
import { decode } from "./flatbuffer.ts";
import { IDENTIFIER, MODEL, SCHEMA_VERSION, type TfliteModel } from "./schema.ts";

/**
 * Reads a `.tflite` file faithfully, whatever operators it has; `graphFromTflite` checks what it means.
 *
 * The result shares no memory with `bytes`.
 *
 * @param name what error messages call the file
 * @throws ThumbnetError where the bytes are no such file (truncated, corrupt, another format or version), or
 *   keep tensors outside the flatbuffer as files of more than 2 GB do
 */
export function readTflite(bytes: Uint8Array, name = "model"): TfliteModel {
  const model = decode(bytes, MODEL, IDENTIFIER, name);
  if (model.version !== SCHEMA_VERSION) {
    throw new ThumbnetError(`${name}: .tflite schema version ${model.version}; supported: ${SCHEMA_VERSION}`);
  }
  checkEmbedded(model, name);
  return model;
}

/** @throws ThumbnetError where buffers or custom options lie behind the flatbuffer */
export function checkEmbedded(model: TfliteModel, name: string): void {
  const outside =
    model.buffers?.some((buffer) => buffer.offset !== 0n || buffer.size !== 0n) ||
    model.subgraphs?.some((subgraph) => subgraph.operators?.some((op) => op.largeCustomOptionsOffset !== 0n));
  if (outside) {
    throw new ThumbnetError(
      `${name}: the model keeps data outside its flatbuffer, as files of more than 2 GB do; supported: data inside`,
    );
  }
}
