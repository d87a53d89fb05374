/**
 * The one error type for everything that a caller can get wrong: a file, a model, an input, an option.
 * The message names what was found, where, and what is supported.
 */
export class ThumbnetError extends Error {
  override readonly name = "ThumbnetError";
}
