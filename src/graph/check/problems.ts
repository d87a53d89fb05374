import { ThumbnetError } from "../../errors.ts";
import type { Graph } from "../graph.ts";

/** A hostile file can be wrong in a million places; this many are enough. */
const SHOWN = 200;

/** Collects what is wrong with a model, so that one error tells it all. */
export class Problems {
  #count = 0;
  readonly #byPlace = new Map<string, string[]>();

  /** @param place the operator or tensor, as in `operator 3 (ADD)`; its problems share a line */
  add(place: string, problem: string): void {
    this.#count++;
    if (this.#count > SHOWN) return;
    const known = this.#byPlace.get(place);
    if (known === undefined) this.#byPlace.set(place, [problem]);
    else known.push(problem);
  }

  /** @throws ThumbnetError with `heading` and a line for each place, if any problem was added */
  throwIfAny(heading: string): void {
    if (this.#count === 0) return;
    const lines = [...this.#byPlace].map(([place, problems]) => `\n  ${place}: ${problems.join("; ")}`);
    const more = this.#count > SHOWN ? `\n  … and ${this.#count - SHOWN} more` : "";
    throw new ThumbnetError(`${heading}:${lines.join("")}${more}`);
  }
}

/** A name in quotes, escaped, and cut where it is very long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

/** `tensor 7 "conv/bias"` */
export function tensorLabel(graph: Graph, index: number): string {
  return `tensor ${index} ${quoted(graph.tensors[index]!.name)}`;
}

/** `operator 3 (CONV_2D)` */
export function operatorLabel(graph: Graph, index: number): string {
  return `operator ${index} (${graph.operators[index]!.kind})`;
}
