/** Examples of one size that are read one after the other. */
export class Collection {
  readonly #examples: Uint8Array[] = [];
  readonly #labels: number[] = [];

  add(pixels: Uint8Array, label: number): void {
    this.#examples.push(pixels);
    this.#labels.push(label);
  }

  /** All pixels, one example after the other. */
  pixels(): Uint8Array {
    const pixels = new Uint8Array(this.#examples.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const example of this.#examples) {
      pixels.set(example, offset);
      offset += example.length;
    }
    return pixels;
  }

  /** The class of each. */
  labels(): Uint16Array {
    return Uint16Array.from(this.#labels);
  }
}
