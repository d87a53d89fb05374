/** Names of the models that commands leave beside checkpoints. */

/** For other tools: batch normalisation folded in, with a softmax. */
export const FLOAT_FILE = "float.tflite";
export const INT8_FILE = "int8.tflite";
