/**
 * Test vectors of the real kernels (shared folder, golden/vectors), from their two dialects to one normal form.
 *
 * A case is `{ op, name, call, expected }`. `call` is exactly what the reference function of the same name takes (test/reference):
 * shapes are NHWC, weights OHWI (depthwise 1HWC, fully connected [out, in]), zero points are zero points (never
 * negated offsets), a shift > 0 shifts left, and `multipliers`/`shifts` have one entry or one for each output channel.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import type { AddCall, MulCall } from "../reference/elementwise.ts";
import type { SoftmaxCall } from "../reference/softmax.ts";
import type {
  Conv2dCall,
  DepthwiseConv2dCall,
  FullyConnectedCall,
  PoolCall,
  WindowSizes,
} from "../reference/windows.ts";
import { sharedPath } from "./shared.ts";

interface Case<Op extends string, Call, Expected = Int8Array> {
  readonly op: Op;
  /** File, and the number of the case where a file has several. */
  readonly name: string;
  readonly call: Call;
  readonly expected: Expected;
}

/** Element i: `values[i]` scaled by `multipliers[i]` and `shifts[i]`. */
export interface RequantizeCall {
  readonly values: Int32Array;
  readonly multipliers: Int32Array;
  readonly shifts: Int32Array;
}

/** Element i: the multiplier of (double) input scale * weight scale / output scale; the scales are float32. */
export interface QuantizeMultiplierCall {
  readonly inputScales: Float32Array;
  readonly weightScales: Float32Array;
  readonly outputScales: Float32Array;
}

export type VectorCase =
  | Case<"conv2d", Conv2dCall>
  | Case<"depthwiseConv2d", DepthwiseConv2dCall>
  | Case<"fullyConnected", FullyConnectedCall>
  | Case<"averagePool2d", PoolCall>
  | Case<"maxPool2d", PoolCall>
  | Case<"add", AddCall>
  | Case<"mul", MulCall>
  | Case<"softmax", SoftmaxCall>
  | Case<"requantize", RequantizeCall, Int32Array>
  | Case<
      "quantizeMultiplier",
      QuantizeMultiplierCall,
      { readonly multipliers: Int32Array; readonly shifts: Int32Array }
    >;

/** Fields of one vector, a nested `params` included. */
type Fields = Readonly<Record<string, unknown>>;

/** The first of several spellings that is present. */
function field(fields: Fields, names: readonly string[]): unknown {
  for (const name of names) if (fields[name] !== undefined) return fields[name];
  throw new Error(`no field ${names.join(" or ")}`);
}

function integer(fields: Fields, ...names: string[]): number {
  const value = field(fields, names);
  if (!Number.isInteger(value)) throw new Error(`${names[0]}: ${JSON.stringify(value)} is not an integer`);
  return value as number;
}

function integers(fields: Fields, ...names: string[]): number[] {
  const value = field(fields, names);
  if (!Array.isArray(value) || !value.every(Number.isInteger))
    throw new Error(`${names[0]}: not a list of integers`);
  return value;
}

const int8 = (fields: Fields, ...names: string[]) => checked(Int8Array, integers(fields, ...names));
const int32 = (fields: Fields, ...names: string[]) => checked(Int32Array, integers(fields, ...names));

function checked<T extends Int8Array | Int32Array>(type: { from(values: number[]): T }, values: number[]): T {
  const array = type.from(values);
  if (values.some((value, i) => value !== array[i])) throw new Error("a value out of its type's range");
  return array;
}

/** A zero point, or an offset which is its negative. */
function zeroPoint(fields: Fields, name: string, negated: string): number {
  return fields[name] === undefined ? 0 - integer(fields, negated) : integer(fields, name);
}

function windowSizes(fields: Fields): WindowSizes {
  return {
    batches: integer(fields, "n", "batches"),
    inputHeight: integer(fields, "ih", "input_h"),
    inputWidth: integer(fields, "iw", "input_w"),
    outputHeight: integer(fields, "oh", "output_h"),
    outputWidth: integer(fields, "ow", "output_w"),
    kernelHeight: integer(fields, "kh", "filter_y", "filter_h"),
    kernelWidth: integer(fields, "kw", "filter_x", "filter_w"),
    strideHeight: integer(fields, "sh", "stride_y", "stride_h"),
    strideWidth: integer(fields, "sw", "stride_x", "stride_w"),
    padTop: integer(fields, "ph", "pad_y", "pad_h"),
    padLeft: integer(fields, "pw", "pad_x", "pad_w"),
  };
}

const activations = (fields: Fields) => ({
  activationMin: integer(fields, "act_min"),
  activationMax: integer(fields, "act_max"),
});

const accumulation = (fields: Fields) => ({
  ...activations(fields),
  inputZeroPoint: zeroPoint(fields, "zi", "input_offset"),
  outputZeroPoint: integer(fields, "zo", "output_offset"),
  multipliers: int32(fields, "multipliers"),
  shifts: int32(fields, "shifts"),
  input: int8(fields, "input"),
  weights: int8(fields, "weights"),
  bias: fields.bias === null ? null : int32(fields, "bias"),
});

const convolution = (fields: Fields) => ({
  ...windowSizes(fields),
  ...accumulation(fields),
  inputChannels: integer(fields, "ic", "in_ch"),
  outputChannels: integer(fields, "oc", "out_ch"),
  dilationHeight: integer(fields, "dh", "dilation_y"),
  dilationWidth: integer(fields, "dw", "dilation_x"),
});

const pool = (fields: Fields): PoolCall => ({
  ...windowSizes(fields),
  ...activations(fields),
  channels: integer(fields, "c", "input_c"),
  input: int8(fields, "input"),
});

function binary(fields: Fields): MulCall {
  const input1 = int8(fields, "input1");
  const input2 = int8(fields, "input2");
  return {
    ...activations(fields),
    input1,
    input2,
    input1Shape: [input1.length],
    input2Shape: [input2.length],
    input1ZeroPoint: zeroPoint(fields, "z1", "input1_offset"),
    input2ZeroPoint: zeroPoint(fields, "z2", "input2_offset"),
    outputZeroPoint: integer(fields, "zo", "output_offset"),
    outputMultiplier: integer(fields, "mo", "output_mult"),
    outputShift: integer(fields, "so", "output_shift"),
  };
}

/** By the vectors' own names of operators. */
const NORMALISE: Readonly<Record<string, (name: string, fields: Fields) => VectorCase>> = {
  conv2d: (name, fields) => {
    const common = convolution(fields);
    const groupInputs =
      common.weights.length / (common.outputChannels * common.kernelHeight * common.kernelWidth);
    const call = { ...common, groups: common.inputChannels / groupInputs };
    return { op: "conv2d", name, call, expected: int8(fields, "expected") };
  },
  depthwise_conv2d: (name, fields) => {
    const call = { ...convolution(fields), depthMultiplier: integer(fields, "ch_mult") };
    return { op: "depthwiseConv2d", name, call, expected: int8(fields, "expected") };
  },
  fully_connected: (name, fields) => {
    const call = {
      ...accumulation(fields),
      batches: integer(fields, "n", "batches"),
      inputDepth: integer(fields, "depth", "accum_depth"),
      outputDepth: integer(fields, "oc", "out_ch"),
      weightsZeroPoint: zeroPoint(fields, "zw", "filter_offset"),
    };
    return { op: "fullyConnected", name, call, expected: int8(fields, "expected") };
  },
  avg_pool2d: (name, fields) => ({
    op: "averagePool2d",
    name,
    call: pool(fields),
    expected: int8(fields, "expected"),
  }),
  max_pool2d: (name, fields) => ({
    op: "maxPool2d",
    name,
    call: pool(fields),
    expected: int8(fields, "expected"),
  }),
  add: (name, fields) => {
    const call = {
      ...binary(fields),
      leftShift: integer(fields, "left_shift"),
      input1Multiplier: integer(fields, "m1", "input1_mult"),
      input1Shift: integer(fields, "s1", "input1_shift"),
      input2Multiplier: integer(fields, "m2", "input2_mult"),
      input2Shift: integer(fields, "s2", "input2_shift"),
    };
    return { op: "add", name, call, expected: int8(fields, "expected") };
  },
  mul: (name, fields) => ({ op: "mul", name, call: binary(fields), expected: int8(fields, "expected") }),
  softmax: (name, fields) => {
    const call = {
      rows: integer(fields, "rows", "num_rows"),
      depth: integer(fields, "depth", "row_size"),
      inputMultiplier: integer(fields, "input_multiplier", "input_mult"),
      inputLeftShift: integer(fields, "input_left_shift"),
      diffMin: integer(fields, "diff_min"),
      input: int8(fields, "input"),
    };
    return { op: "softmax", name, call, expected: int8(fields, "expected") };
  },
};

/** Files without an `op`: the file is a table, and named after what it tests. */
const TABLES: Readonly<Record<string, (name: string, rows: readonly unknown[]) => VectorCase>> = {
  requantize: (name, rows) => {
    const column = (i: number) =>
      checked(
        Int32Array,
        (rows as number[][]).map((row) => row[i]!),
      );
    const call = { values: column(0), multipliers: column(1), shifts: column(2) };
    return { op: "requantize", name, call, expected: column(3) };
  },
  quantize_multiplier: (name, rows) => {
    const column = (key: string) => (rows as Record<string, number>[]).map((row) => row[key]!);
    const call = {
      inputScales: Float32Array.from(column("scale_in")),
      weightScales: Float32Array.from(column("scale_w")),
      outputScales: Float32Array.from(column("scale_out")),
    };
    const expected = {
      multipliers: checked(Int32Array, column("m")),
      shifts: checked(Int32Array, column("s")),
    };
    return { op: "quantizeMultiplier", name, call, expected };
  },
};

const FOLDERS = ["cmsis-nn", "generated"];

interface Loaded {
  readonly cases: readonly VectorCase[];
  /** What could not be understood, one sentence each. */
  readonly failures: readonly string[];
}

let loaded: Loaded | undefined;

function load(): Loaded {
  const cases: VectorCase[] = [];
  const failures: string[] = [];
  const attempt = (name: string, op: string, normalise: (() => VectorCase) | undefined) => {
    try {
      if (normalise === undefined) throw new Error(`unknown op "${op}"`);
      cases.push(normalise());
    } catch (error) {
      failures.push(`${name}: ${(error as Error).message}`);
    }
  };
  for (const folder of FOLDERS) {
    const files = readdirSync(sharedPath("golden", "vectors", folder)).filter((file) =>
      file.endsWith(".json"),
    );
    for (const file of files.sort()) {
      const content: unknown = JSON.parse(
        readFileSync(sharedPath("golden", "vectors", folder, file), "utf8"),
      );
      const base = basename(file, ".json");
      const name = `${folder}/${base}`;
      const list = Array.isArray(content) ? content : [content];
      if (list.some((entry) => entry.op === undefined)) {
        const normalise = TABLES[base];
        attempt(name, base, normalise && (() => normalise(name, list)));
        continue;
      }
      list.forEach((entry: Fields, i) => {
        const op = String(entry.op);
        const caseName = Array.isArray(content) ? `${name} ${i}` : name;
        const fields = { ...(entry.params as Fields | undefined), ...entry };
        const normalise = NORMALISE[op];
        attempt(caseName, op, normalise && (() => normalise(caseName, fields)));
      });
    }
  }
  return { cases, failures };
}

/** Every vector that could be understood. Needs the shared folder. */
export function loadVectors(): readonly VectorCase[] {
  loaded ??= load();
  return loaded.cases;
}

/** Vectors that could not (an unknown operator, a missing field), by name: must be empty. */
export function vectorFailures(): readonly string[] {
  loaded ??= load();
  return loaded.failures;
}
