/**
 * The binary layout of the image: the one place that both runtimes get it from. `scripts/build.mjs` writes
 * `assembly/support/records.ts` from these tables; the C header comes from the same tables.
 *
 * Everything is little-endian. Fields lie at their natural alignment in the order given here.
 */

/** Scalar fields, and references: `operand` = {@link CONSTANT_BIT}, `constant` = offset in the image. */
export type FieldType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "operand" | "constant";

export type Fields = Readonly<Record<string, FieldType>>;

/** "TNET" */
export const MAGIC = 0x54454e54;
/** Raised with every change of the layout; an image of another version is refused. */
export const VERSION = 4;
/** Every record has this size, so that a runtime can step through them without knowing any. */
export const RECORD_BYTES = 68;
/** Set in an operand that lies in the image (a constant); clear when it lies in the arena. */
export const CONSTANT_BIT = 0x80000000;
/** In place of a tensor's operand: it never exists whole, because its operators run in slices of rows. */
export const NEVER_WHOLE = 0xffffffff;
/** Alignment of tensors in the arena and of constants in the image: a word of the chip. */
export const ALIGNMENT = 4;

/** At offset 0. Offsets and sizes are bytes from the start of the image. */
export const HEADER = {
  magic: "u32",
  version: "u16",
  recordBytes: "u16",
  imageBytes: "u32",
  /** CRC-32 (zlib's) of everything from {@link CHECKED_FROM} to the end. */
  crc32: "u32",
  arenaBytes: "u32",
  recordsOffset: "u32",
  recordCount: "u16",
  operatorCount: "u16",
  /** What the chip's kernels need beside the arena, behind its end; see `scratch.ts`. */
  scratchBytes: "u32",
  operatorsOffset: "u32",
  portsOffset: "u32",
  inputCount: "u16",
  outputCount: "u16",
  exitsOffset: "u32",
  /** Of a u16 for each exit and class, exit by exit: the least measure, in 1/256, at which it answers. */
  thresholdsOffset: "u32",
  exitCount: "u16",
  /** The output that answers where no exit does. */
  finalOutput: "u16",
} as const satisfies Fields;

/** Where the header's CRC-32 starts counting: behind the field itself. */
export const CHECKED_FROM = 16;

/** One for each operator of the graph, aliases such as RESHAPE included. */
export const OPERATOR = {
  /** Builtin operator code of `.tflite`. */
  code: "u16",
  /** Records [0, recordEnd) have run once this operator is done. */
  recordEnd: "u16",
  /** Offset of the {@link TENSOR} that it writes. */
  tensor: "u32",
} as const satisfies Fields;

/** One for each graph input, then one for each graph output. */
export const PORT = {
  tensor: "u32",
  /** Offset of the UTF-8 name, which ends with a zero byte. */
  name: "u32",
} as const satisfies Fields;

/** One for each early exit, in the order in which they are decided. */
export const EXIT = {
  /** Records [0, recordEnd) and operators [0, operatorEnd) have run when it is decided. */
  recordEnd: "u16",
  operatorEnd: "u16",
  /** Which output it is. */
  output: "u16",
  /** Index into {@link CRITERIA}. */
  criterion: "u8",
  reserved: "u8",
} as const satisfies Fields;

/** What is compared with an exit's thresholds: its largest value + 128; or that less the second largest value. */
export const CRITERIA = ["top", "margin"] as const;

/** What is known of a tensor; `rank` dimensions follow as u32. */
export const TENSOR = {
  /** An operand: where it lies; or {@link NEVER_WHOLE}. */
  operand: "u32",
  /**
   * 0, or the offset of how the tensor was before constant channels were folded: their number (u32), then for each an
   * i16, its constant value or {@link KEPT_CHANNEL}.
   */
  expansion: "u32",
  scale: "f32",
  zeroPoint: "i16",
  dtype: "u8",
  rank: "u8",
} as const satisfies Fields;

/** In an expansion: the channel is still there. */
export const KEPT_CHANNEL = 0x7fff;

/** Element types by their code in the image. */
export const DTYPES = ["int8", "uint8", "float32"] as const;

const RECORD_HEAD = { opcode: "u8", reserved: "u8", operator: "u16" } as const;

const WINDOW = {
  batch: "u16",
  inputHeight: "u16",
  inputWidth: "u16",
  inputChannels: "u16",
  outputHeight: "u16",
  outputWidth: "u16",
  outputChannels: "u16",
  kernelHeight: "u16",
  kernelWidth: "u16",
  strideHeight: "u16",
  strideWidth: "u16",
  dilationHeight: "u16",
  dilationWidth: "u16",
  padTop: "u16",
  padLeft: "u16",
} as const;

/**
 * How the sums of an operator become int8; the data of its channels follow. A channel's sum is S = sum of
 * (x + 128) * (weight - weights' zero point) over its whole window, where padding counts as the input zero point.
 *
 *   EXACT     int32 bias for each channel, then int32 multipliers, then int8 shifts (positive = left): one of each, or
 *             one for each channel. Result: requantize(S + bias) + output zero point; see docs/arithmetic.md.
 *   TWO_PART  for each channel an int32 of two factors, high * 2^16 + low (both signed), and an int32 offset. Result:
 *             activationMin + ((S * high + ((S * low) >> productShift) + offset) >> outputShift); see two-part.ts.
 *
 * Both are clamped to [activationMin, activationMax].
 */
export const REQUANTIZATION = {
  form: "u8",
  productShift: "u8",
  outputShift: "u8",
  /** EXACT only. 1: a multiplier and shift for each channel; 0: one for all. */
  perChannel: "u8",
  channels: "u32",
} as const satisfies Fields;

/** Values of the field `form`. */
export const REQUANTIZATION_FORMS = { EXACT: 0, TWO_PART: 1 } as const;

/** `requantization`: offset of a {@link REQUANTIZATION}. */
const CHANNELS = { weights: "constant", requantization: "constant" } as const;

/**
 * How the chip multiplies a matrix; see `matrix.ts`. Weights are rows of int8, padded in front to whole words; or
 * sparse, for each row a u16 count and that many pairs of an int8 weight and a u8, how many zeros come before it.
 */
const MATRIX = {
  /** Inputs after which sums are taken out of their lanes, counted from the end; a multiple of 16, or the depth. */
  unpack: "u16",
  /** 1: the weights are sparse. */
  sparse: "u8",
} as const;

const OUTPUT_CLAMP = { outputZeroPoint: "i8", activationMin: "i8", activationMax: "i8" } as const;

/** Up to four dimensions, outermost first, after adjacent ones that behave alike are merged. */
const DIMENSIONS = { dim0: "u32", dim1: "u32", dim2: "u32", dim3: "u32" } as const;

/** Two inputs that broadcast: bit d of a mask says that the input has one element along dimension d. */
const BROADCAST = {
  input: "operand",
  input2: "operand",
  output: "operand",
  ...DIMENSIONS,
  broadcast1: "u8",
  broadcast2: "u8",
} as const;

const ZERO_POINTS_2 = { inputZeroPoint: "i8", input2ZeroPoint: "i8" } as const;

/** A kernel's record: its opcode and its fields. */
export const KERNELS = {
  conv_s8: {
    opcode: 1,
    fields: {
      input: "operand",
      output: "operand",
      ...CHANNELS,
      ...WINDOW,
      groups: "u16",
      ...MATRIX,
      /** What padding counts as. */
      inputZeroPoint: "i8",
      ...OUTPUT_CLAMP,
    },
  },
  pointwise_s8: {
    opcode: 2,
    fields: {
      input: "operand",
      output: "operand",
      ...CHANNELS,
      pixels: "u32",
      inputChannels: "u16",
      outputChannels: "u16",
      ...MATRIX,
      ...OUTPUT_CLAMP,
    },
  },
  depthwise_s8: {
    opcode: 3,
    fields: {
      input: "operand",
      output: "operand",
      ...CHANNELS,
      ...WINDOW,
      depthMultiplier: "u16",
      inputZeroPoint: "i8",
      ...OUTPUT_CLAMP,
    },
  },
  fully_connected_s8: {
    opcode: 4,
    fields: {
      input: "operand",
      output: "operand",
      ...CHANNELS,
      batch: "u32",
      inputChannels: "u32",
      outputChannels: "u32",
      ...OUTPUT_CLAMP,
      weightsZeroPoint: "i8",
    },
  },
  avg_pool_s8: {
    opcode: 5,
    fields: { input: "operand", output: "operand", ...WINDOW, activationMin: "i8", activationMax: "i8" },
  },
  max_pool_s8: {
    opcode: 6,
    fields: { input: "operand", output: "operand", ...WINDOW, activationMin: "i8", activationMax: "i8" },
  },
  add_s8: {
    opcode: 7,
    fields: {
      ...BROADCAST,
      /** 1: input - input2. */
      subtract: "u8",
      /**
       * Where it is not 0, the result for all inputs x and y is also activationMin +
       * ((x * factor1 + y * factor2 + sumOffset) >> sumShift), clamped; see linear-sum.ts.
       */
      sumShift: "u8",
      multiplier1: "i32",
      multiplier2: "i32",
      outputMultiplier: "i32",
      shift1: "i8",
      shift2: "i8",
      outputShift: "i8",
      ...ZERO_POINTS_2,
      ...OUTPUT_CLAMP,
      factor1: "i32",
      factor2: "i32",
      sumOffset: "i32",
    },
  },
  mul_s8: {
    opcode: 8,
    fields: {
      ...BROADCAST,
      outputMultiplier: "i32",
      outputShift: "i8",
      ...ZERO_POINTS_2,
      ...OUTPUT_CLAMP,
    },
  },
  /** output[i] = table[uint8(input[i])], for every operator that maps one element to one element. */
  lookup_s8: {
    opcode: 9,
    fields: { input: "operand", output: "operand", table: "constant", count: "u32" },
  },
  softmax_s8: {
    opcode: 10,
    fields: {
      input: "operand",
      output: "operand",
      rows: "u32",
      depth: "u32",
      multiplier: "i32",
      diffMin: "i32",
      leftShift: "u8",
    },
  },
  pad_s8: {
    opcode: 11,
    fields: {
      input: "operand",
      output: "operand",
      ...DIMENSIONS,
      before0: "u16",
      before1: "u16",
      before2: "u16",
      before3: "u16",
      after0: "u16",
      after1: "u16",
      after2: "u16",
      after3: "u16",
      value: "i8",
    },
  },
  mean_s8: {
    opcode: 12,
    fields: {
      input: "operand",
      output: "operand",
      ...DIMENSIONS,
      multiplier: "i32",
      /** Elements that one output is the mean of. */
      count: "u32",
      shift: "i8",
      /** Bit d: the mean runs over dimension d. */
      reduced: "u8",
      inputZeroPoint: "i8",
      outputZeroPoint: "i8",
    },
  },
  /** Rows of bytes into rows that lie further apart: an input of a concatenation. */
  copy_s8: {
    opcode: 13,
    fields: { input: "operand", output: "operand", rows: "u32", rowBytes: "u32", outputStride: "u32" },
  },
} as const satisfies Record<string, { opcode: number; fields: Fields }>;

export type KernelName = keyof typeof KERNELS;

const SIZES: Record<FieldType, number> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  operand: 4,
  constant: 4,
};

export interface FieldLayout {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
}

export interface StructLayout {
  readonly fields: readonly FieldLayout[];
  readonly bytes: number;
}

/** Offsets of a struct's fields at natural alignment, as AssemblyScript and C both lay them out. */
export function structLayout(fields: Fields): StructLayout {
  let offset = 0;
  let alignment = 1;
  const placed = Object.entries(fields).map(([name, type]) => {
    const size = SIZES[type];
    offset = alignUp(offset, size);
    alignment = Math.max(alignment, size);
    const field = { name, type, offset };
    offset += size;
    return field;
  });
  return { fields: placed, bytes: alignUp(offset, alignment) };
}

/** The layout of a kernel's record: the common head, then the kernel's own fields. */
export function recordLayout(kernel: KernelName): StructLayout {
  const known = recordLayouts.get(kernel);
  if (known) return known;
  const layout = structLayout({ ...RECORD_HEAD, ...KERNELS[kernel].fields });
  recordLayouts.set(kernel, layout);
  return layout;
}

const recordLayouts = new Map<KernelName, StructLayout>();

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
