/** An exponential moving average of a network's parameters, which often classifies better than the last ones. */
import type { Parameters, Values } from "./network/parameters.ts";
import type { Network } from "./network.ts";

/** The share of the old average that a step keeps: less in the first steps, so that the start is soon forgotten. */
export function memory(decay: number, step: number): number {
  return Math.min(decay, (step + 1) / (step + 10));
}

export class WeightAverage {
  readonly #decay: number;
  #steps = 0;
  #values: Map<string, Values>;

  /** @param decay share of the old average that a step keeps */
  constructor(network: Network, decay: number) {
    this.#decay = decay;
    this.#values = network.parameters();
  }

  get steps(): number {
    return this.#steps;
  }

  update(network: Network): void {
    this.#steps++;
    const keep = memory(this.#decay, this.#steps);
    for (const [name, { values }] of this.#values) {
      const now = network.variable(name).dataSync<"float32">();
      for (let i = 0; i < values.length; i++) values[i]! += (1 - keep) * (now[i]! - values[i]!);
    }
  }

  /** The average itself, not a copy. */
  parameters(): Parameters {
    return this.#values;
  }

  restore(steps: number, parameters: Parameters): void {
    this.#steps = steps;
    this.#values = new Map(
      [...parameters].map(([name, { shape, values }]) => [name, { shape, values: values.slice() }]),
    );
  }
}
