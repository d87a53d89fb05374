/**
 * What the chip's kernels do, counted from a record: calls, rows, outputs, multiplications … Cycles are these counts
 * times the coefficients of `coefficients.ts`, one of which stands for each. The counts follow the loops of
 * `firmware/kernels` and of what those call; where time depends on the data, they are what is usual.
 */
import type { DecodedRecord } from "../../plan/disassemble.ts";
import { type KernelName, REQUANTIZATION, structLayout } from "../../plan/layout.ts";
import { readStruct } from "../../plan/struct.ts";
import { copied, type Features, type Fields, filled, sum, taps } from "./counts.ts";
import { depthwiseFeatures } from "./depthwise.ts";
import { matrixFeatures } from "./matrix.ts";
import { requantized, type Surroundings } from "./requantized.ts";

const REQUANTIZATION_LAYOUT = structLayout(REQUANTIZATION);

/** Outputs of a fully connected operator whose sums become int8 together. */
const OUTPUTS_AT_ONCE = 32;

function fullyConnected(f: Fields, around: Surroundings): Features {
  const { batch, inputChannels, outputChannels } = f;
  const quads = batch! * Math.ceil(outputChannels! / 4);
  return {
    row: batch!,
    block: batch! * Math.ceil(outputChannels! / OUTPUTS_AT_ONCE),
    input: batch! * inputChannels!,
    quad: quads,
    quadPair: quads * Math.ceil(inputChannels! / 2),
    ...requantized(batch! * outputChannels!, around),
  };
}

function pool(f: Fields): Features {
  const rows = taps(f.outputHeight!, f.kernelHeight!, f.strideHeight!, 1, f.padTop!, f.inputHeight!);
  const columns = taps(f.outputWidth!, f.kernelWidth!, f.strideWidth!, 1, f.padLeft!, f.inputWidth!);
  const channels = f.batch! * f.inputChannels!;
  const windows = f.outputHeight! * f.outputWidth!;
  return {
    window: f.batch! * windows,
    output: channels * windows,
    windowRow: channels * sum(rows) * f.outputWidth!,
    tap: channels * sum(rows) * sum(columns),
  };
}

/** Inputs of a window up to which four channels are summed at once. */
const MOST_IN_HALVES = 257;

/** Where channels are whole words, four are summed at once. A division takes longer the larger the quotient is. */
function averagePool(f: Fields): Features {
  const { window, output, windowRow, tap } = pool(f) as Record<
    "window" | "output" | "windowRow" | "tap",
    number
  >;
  const count = tap / output;
  const isByFour = f.inputChannels! % 4 === 0 && f.input! % 4 === 0 && count <= MOST_IN_HALVES;
  const sums = isByFour
    ? { four: output / 4, windowRowFour: windowRow / 4, tapFour: tap / 4 }
    : { one: output, windowRow, tap };
  return { window, output, ...sums, quotientBit: output * Math.max(0, 7 - Math.log2(count) / 2) };
}

function dimensions(f: Fields): readonly [number, number, number, number] {
  return [f.dim0!, f.dim1!, f.dim2!, f.dim3!];
}

/** Right shifts of requantisations take longer than left ones. */
function elementwise(f: Fields, shifts: readonly number[]): Features {
  const [d0, d1, d2, d3] = dimensions(f);
  const rows = d0 * d1 * d2;
  const elements = rows * d3;
  return { row: rows, element: elements, leftShift: elements * shifts.filter((shift) => shift > 0).length };
}

/** By the planner's constants, or in three roundings. */
function add(f: Fields): Features {
  if (f.sumShift === 0) return elementwise(f, [f.shift1!, f.shift2!, f.outputShift!]);
  const { row, element } = elementwise(f, []);
  return { linearRow: row!, linearElement: element! };
}

function mean(f: Fields): Features {
  const sizes = dimensions(f);
  const isReduced = sizes.map((_, d) => (f.reduced! >> d) & 1);
  const count = (inner: number, dims: readonly number[]) =>
    dims.reduce((product, d) => product * (isReduced[d] === inner ? sizes[d]! : 1), 1);
  const outputs = count(0, [0, 1, 2, 3]);
  return {
    outputRow: count(0, [0, 1, 2]),
    output: outputs,
    plane: outputs * count(1, [0, 1]),
    line: outputs * count(1, [0, 1, 2]),
    element: outputs * count(1, [0, 1, 2, 3]),
  };
}

/** Elements too far below the largest of their row need no exponential. */
function softmax(f: Fields): Features {
  const elements = f.rows! * f.depth!;
  return { row: f.rows!, element: elements, exponential: elements * Math.min(1, -f.diffMin! / 256) };
}

/** The share of copies whose two sides are both at a word. */
function alignedShare(sides: Iterable<readonly [from: number, to: number]>): number {
  let [all, aligned] = [0, 0];
  for (const [from, to] of sides) {
    all++;
    if ((from | to) % 4 === 0) aligned++;
  }
  return aligned / all;
}

function* rowsOfPad(f: Fields, padded: readonly number[]) {
  const [d0, d1, d2, d3] = dimensions(f);
  let from = f.input!;
  for (let i0 = 0; i0 < d0; i0++) {
    for (let i1 = 0; i1 < d1; i1++) {
      const plane = (f.before0! + i0) * padded[1]! + f.before1! + i1;
      for (let i2 = 0; i2 < d2; i2++, from += d3) {
        yield [from, f.output! + (plane * padded[2]! + f.before2! + i2) * padded[3]! + f.before3!] as const;
      }
    }
  }
}

function pad(f: Fields): Features {
  const [d0, d1, d2, d3] = dimensions(f);
  const padded = [d0, d1, d2, d3].map((size, d) => f[`before${d}`]! + size + f[`after${d}`]!);
  const bytes = padded.reduce((product, size) => product * size, 1);
  return {
    plane: d0 * d1,
    ...filled(1, bytes),
    ...copied(d0 * d1 * d2, d3, alignedShare(rowsOfPad(f, padded))),
  };
}

function* rowsOfCopy(f: Fields) {
  for (let i = 0; i < f.rows!; i++) {
    yield [f.input! + i * f.rowBytes!, f.output! + i * f.outputStride!] as const;
  }
}

function copy(f: Fields): Features {
  return copied(f.rows!, f.rowBytes!, alignedShare(rowsOfCopy(f)));
}

const FEATURES: Readonly<Record<KernelName, (fields: Fields, around: Surroundings) => Features>> = {
  conv_s8: matrixFeatures,
  pointwise_s8: matrixFeatures,
  depthwise_s8: depthwiseFeatures,
  fully_connected_s8: fullyConnected,
  avg_pool_s8: averagePool,
  max_pool_s8: pool,
  add_s8: add,
  mul_s8: (f) => elementwise(f, [f.outputShift!]),
  lookup_s8: (f) => ({ element: f.count! }),
  softmax_s8: softmax,
  pad_s8: pad,
  mean_s8: mean,
  copy_s8: copy,
};

/** The counts of a record; `call` is 1. */
export function recordFeatures({ kernel, fields }: DecodedRecord, image: Uint8Array): Features {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const requantization =
    fields.requantization === undefined
      ? null
      : readStruct<typeof REQUANTIZATION>(view, fields.requantization, REQUANTIZATION_LAYOUT);
  return { call: 1, ...FEATURES[kernel](fields, { image, requantization }) };
}
