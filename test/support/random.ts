/**
 * Random numbers from a seed, the same on every machine: a Weyl sequence through the finaliser of MurmurHash3.
 * No logarithm or power is used, so that no engine's rounding can change a result.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** In [0, 2^32). */
  uint32(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.uint32() / 2 ** 32;
  }

  /** In [minimum, maximum], both included. */
  integer(minimum: number, maximum: number): number {
    return minimum + Math.floor(this.unit() * (maximum - minimum + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new Error("nothing to pick from");
    return choices[this.integer(0, choices.length - 1)]!;
  }

  /** One of the choices, with a probability in proportion to its weight. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T {
    let rest = this.unit() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, choice] of choices) {
      rest -= weight;
      if (rest < 0) return choice;
    }
    return choices.at(-1)![1];
  }

  /** About normal, mean 0 and deviation 1, within +-3.5. */
  normal(): number {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += this.unit();
    return (sum - 2) * 1.7320508075688772;
  }

  /** A float32 between 2^low and 2^(high + 1). */
  power(low: number, high: number): number {
    return Math.fround((1 + this.unit()) * 2 ** this.integer(low, high));
  }
}
