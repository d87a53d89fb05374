/** How one class fared. Shares are NaN where they would divide by nothing. */
export interface ClassResult {
  readonly index: number;
  /** Inputs of this class. */
  readonly count: number;
  readonly correct: number;
  /** correct / count */
  readonly recall: number;
  /** Inputs that were taken for this class. */
  readonly predicted: number;
  /** correct / predicted */
  readonly precision: number;
}

/** A confusion matrix: a row for each true class, a column for each predicted one. */
export class Confusion {
  readonly classes: number;
  readonly #counts: Uint32Array;

  constructor(classes: number) {
    this.classes = classes;
    this.#counts = new Uint32Array(classes * classes);
  }

  add(label: number, predicted: number): void {
    this.#counts[label * this.classes + predicted]!++;
  }

  get count(): number {
    return this.#counts.reduce((sum, value) => sum + value, 0);
  }

  get correct(): number {
    return this.#counts.reduce((sum, value, i) => (i % (this.classes + 1) === 0 ? sum + value : sum), 0);
  }

  get accuracy(): number {
    return this.correct / this.count;
  }

  rows(): number[][] {
    return Array.from({ length: this.classes }, (_, i) => [
      ...this.#counts.subarray(i * this.classes, (i + 1) * this.classes),
    ]);
  }

  byClass(): ClassResult[] {
    const rows = this.rows();
    return rows.map((row, index) => {
      const count = row.reduce((sum, value) => sum + value, 0);
      const predicted = rows.reduce((sum, other) => sum + other[index]!, 0);
      const correct = row[index]!;
      return { index, count, correct, recall: correct / count, predicted, precision: correct / predicted };
    });
  }
}
