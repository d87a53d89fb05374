/** Depthwise convolution: the plane of each channel is packed, then its windows are summed, three outputs at a time. */
import { FIXED_SHIFTS } from "../../plan/two-part.ts";
import type { Features, Fields } from "./counts.ts";
import { isTwoPart, requantized, type Surroundings } from "./requantized.ts";

/** Inputs of a window up to which an element of the plane has two words, for three outputs. */
const LANE_INPUTS = 32;

interface Axis {
  readonly input: number;
  readonly output: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
}

function axis(f: Fields, name: "Height" | "Width", padding: number): Axis {
  return {
    input: f[`input${name}`]!,
    output: f[`output${name}`]!,
    taps: f[`kernel${name}`]!,
    stride: f[`stride${name}`]!,
    dilation: f[`dilation${name}`]!,
    padding,
  };
}

const third = (rows: number) => Math.ceil(rows / 3);

/** Elements of the plane of which so many outputs are made. */
function covered({ stride, taps, dilation }: Axis, outputs: number): number {
  return (outputs - 1) * stride + (taps - 1) * dilation + 1;
}

export function depthwiseFeatures(f: Fields, around: Surroundings): Features {
  const planes = f.batch! * f.outputChannels!;
  let [rows, columns] = [axis(f, "Height", f.padTop!), axis(f, "Width", f.padLeft!)];
  if (third(columns.output) * rows.output < third(rows.output) * columns.output)
    [rows, columns] = [columns, rows];
  const hasLanes = rows.taps * columns.taps <= LANE_INPUTS;
  const band = hasLanes ? third(rows.output) : rows.output;
  const [height, width] = [covered(rows, band), covered(columns, columns.output)];
  const inside = Math.min(columns.input, width - Math.min(columns.padding, width));
  const shape = { height, inside, planes };
  return {
    filled: height * width,
    plane: planes,
    ...(hasLanes
      ? packedLanes(rows, band, shape)
      : { singleRow: planes * height, single: planes * height * inside }),
    ...(is3x3(rows, columns, around)
      ? windows3x3(planes * band, columns)
      : anyWindows(planes * band, rows, columns, hasLanes, around)),
  };
}

interface Plane {
  readonly height: number;
  readonly inside: number;
  readonly planes: number;
}

/** Rows of which a lane may be in the padding are looked at one by one; from row 1 on those where none is are not. */
function packedLanes(rows: Axis, band: number, { height, inside, planes }: Plane): Features {
  const last = height - rows.padding;
  const common = Math.min(rows.input - (rows.output - band) * rows.stride, last);
  const plain = Math.max(0, common - 1);
  const looked = height - plain;
  return {
    edgeRow: planes * looked,
    edgeElement: planes * looked * inside,
    plainRow: planes * plain,
    plainElement: planes * plain * inside,
  };
}

/** Whether the assembly does it. */
function is3x3(rows: Axis, columns: Axis, around: Surroundings): boolean {
  const { requantization } = around;
  const { productShift, outputShift } = FIXED_SHIFTS;
  return (
    rows.taps === 3 &&
    columns.taps === 3 &&
    columns.dilation === 1 &&
    isTwoPart(around) &&
    requantization?.productShift === productShift &&
    requantization.outputShift === outputShift
  );
}

function windows3x3(windowRows: number, columns: Axis): Features {
  return { windowRow3x3: windowRows, window3x3: windowRows * columns.output };
}

function anyWindows(
  windowRows: number,
  rows: Axis,
  columns: Axis,
  hasLanes: boolean,
  around: Surroundings,
): Features {
  const windows = windowRows * columns.output;
  const name = hasLanes ? "Lanes" : "Single";
  return {
    windowRow: windowRows,
    [`window${name}`]: windows,
    tapRow: windows * rows.taps,
    [`tap${name}`]: windows * rows.taps * columns.taps,
    ...requantized(windows * (hasLanes ? 3 : 1), around),
  };
}
