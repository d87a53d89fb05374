import { encode } from "./flatbuffer.ts";
import { checkEmbedded } from "./read.ts";
import { IDENTIFIER, MODEL, type TfliteModel } from "./schema.ts";

/**
 * Writes a `.tflite` file. `readTflite` gives back an equal model.
 *
 * @throws ThumbnetError naming the field that cannot be written: its value does not fit the schema, or the
 *   model came from a file with content that thumbnet does not know (options of operators that it does not
 *   support, sparse tensors, fields of newer schemas), which would be lost
 */
export function writeTflite(model: TfliteModel): Uint8Array {
  checkEmbedded(model, "model");
  return encode(MODEL, model, IDENTIFIER);
}
