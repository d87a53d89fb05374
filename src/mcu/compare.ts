import type { OperatorKind } from "../graph/graph.ts";
import type { Image, ImageTensor } from "../plan/image.ts";
import { findCause } from "./cause.ts";
import type { Job, Run } from "./implementations.ts";

/** Where an implementation first goes wrong. */
export interface Difference {
  /** Index and kind of the operator, as in the model file. */
  readonly operator: number;
  readonly name: OperatorKind;
  readonly shape: readonly number[];
  /** The first wrong element of its output, in row-major order, and its coordinates. */
  readonly element: number;
  readonly coordinates: readonly number[];
  readonly expected: number;
  readonly found: number;
  /** Wrong elements, of all. */
  readonly wrong: number;
  readonly elements: number;
  readonly cause: string;
  /** Where all bytes are equal but an early exit answered on one side alone: which outputs did. */
  readonly decision?: { readonly expected: number; readonly found: number };
}

/**
 * The first operator after which an implementation's arena is not as expected, or behind which another exit answers;
 * null when all are equal.
 *
 * @param expected what a trusted implementation left behind
 */
export async function firstDifference(
  image: Image,
  { inputs }: Pick<Job, "inputs">,
  expected: Run,
  found: Run,
): Promise<Difference | null> {
  const both = Math.min(expected.steps.length, found.steps.length);
  for (const [operator, { kind, output }] of image.operators.slice(0, both).entries()) {
    const [a, b] = [expected.steps[operator]!, found.steps[operator]!];
    const element = firstUnequal(a.stored, b.stored);
    if (element >= 0) {
      const signed = [elementsOf(a.stored, output), elementsOf(b.stored, output)] as const;
      return {
        ...describe(operator, kind, output),
        element,
        coordinates: coordinates(element, output.shape),
        expected: signed[0][element]!,
        found: signed[1][element]!,
        wrong: a.stored.reduce((count, byte, i) => count + Number(byte !== b.stored[i]), 0),
        cause: await findCause(image, operator, inputs, ...signed),
      };
    }
    const outside = firstUnequal(a.arena, b.arena);
    if (outside >= 0) {
      return {
        ...describe(operator, kind, output),
        element: outside,
        coordinates: [],
        expected: a.arena[outside]!,
        found: b.arena[outside]!,
        wrong: 0,
        cause: `writes outside its output: the arena differs at offset ${outside}, the output lies at ${output.offset} to ${output.offset + output.bytes - 1}`,
      };
    }
  }
  if (expected.answered === found.answered) return null;
  const { kind, output } = image.operators[both - 1]!;
  const decision = { expected: expected.answered, found: found.answered };
  return {
    ...describe(both - 1, kind, output),
    ...{ element: 0, coordinates: [], expected: 0, found: 0, wrong: 0 },
    decision,
    cause: "decision of an exit: its thresholds, or how its values are compared with them",
  };
}

function describe(operator: number, name: OperatorKind, { shape, bytes }: ImageTensor) {
  return { operator, name, shape, elements: bytes };
}

function firstUnequal(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1;
  return a.findIndex((byte, i) => byte !== b[i]);
}

function elementsOf(bytes: Uint8Array, { dtype }: ImageTensor): Int8Array | Uint8Array {
  return dtype === "uint8" ? bytes : new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Row-major coordinates of an element. */
export function coordinates(element: number, shape: readonly number[]): number[] {
  let rest = element;
  return shape
    .toReversed()
    .map((dimension) => {
      const at = rest % dimension;
      rest = Math.floor(rest / dimension);
      return at;
    })
    .toReversed();
}
