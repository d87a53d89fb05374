import type { Graph, OperatorOf } from "../../graph/graph.ts";
import { elementCount } from "../../graph/shape.ts";
import { logistic } from "../fixed-point.ts";
import type { KernelCall } from "../kernel-call.ts";
import {
  clamp,
  normalize,
  quantizeMultiplier,
  requantize,
  roundAway,
  roundingShiftRight,
} from "../multiplier.ts";
import { type AffineScale, affineOf, tensorOf } from "./context.ts";

type Unary = OperatorOf<"LOGISTIC" | "RELU" | "RELU6" | "QUANTIZE">;

/**
 * Operators that map one element to one element become a table of 256 bytes, indexed by the input byte as
 * unsigned: exact by construction, and the same work for each of them on the chip.
 */
export function lowerLookup(graph: Graph, op: Unary): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const output = tensorOf(graph, op.outputs[0]!);
  const map = mapping(op.kind, affineOf(input), affineOf(output));
  const [min, max] = output.dtype === "uint8" ? [0, 255] : [-128, 127];
  const table = Uint8Array.from({ length: 256 }, (_, byte) => {
    const value = input.dtype === "int8" ? (byte << 24) >> 24 : byte;
    return clamp(map(value), min, max);
  });
  return [
    {
      kernel: "lookup_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        table,
        count: elementCount(output.shape),
      },
    },
  ];
}

function mapping(kind: Unary["kind"], input: AffineScale, output: AffineScale): (q: number) => number {
  switch (kind) {
    case "LOGISTIC":
      return logisticMapping(input);
    case "RELU6": {
      // Clamps in the input's quantisation; the output must have the same.
      const six = clamp(input.zeroPoint + roundAway(Math.fround(6 / input.scale)), -128, 127);
      return (q) => clamp(q, input.zeroPoint, six);
    }
    case "RELU":
    case "QUANTIZE": {
      const factor = quantizeMultiplier(input.scale / output.scale);
      const min = kind === "RELU" ? output.zeroPoint : -Infinity;
      return (q) => Math.max(min, output.zeroPoint + requantize(q - input.zeroPoint, factor));
    }
  }
}

const LOGISTIC_INTEGER_BITS = 4;

/** The input rescaled to Q4.27; past the radius that still fits, the result is 0 or 1. */
function logisticMapping({ scale, zeroPoint }: AffineScale): (q: number) => number {
  // Past a shift of 30 the radius is 0 and no element is rescaled.
  const factor = normalize(scale * 2 ** (31 - LOGISTIC_INTEGER_BITS));
  const radius = Math.floor(
    ((2 ** LOGISTIC_INTEGER_BITS - 1) * 2 ** (31 - LOGISTIC_INTEGER_BITS)) / 2 ** factor.shift,
  );
  return (q) => {
    const x = q - zeroPoint;
    if (x <= -radius) return -128;
    if (x >= radius) return 127;
    return roundingShiftRight(logistic(requantize(x, factor), LOGISTIC_INTEGER_BITS), 23) - 128;
  };
}
