/** Depthwise convolution: the plane of each channel is copied, then each window is summed. */
import type { Features, Fields } from "./counts.ts";
import type { Surroundings } from "./features.ts";

const LANE_INPUTS = 32;

export function depthwiseFeatures(f: Fields, { isTwoPart }: Surroundings): Features {
  const planes = f.batch! * f.outputChannels!;
  const kernel = f.kernelHeight! * f.kernelWidth!;
  const rows = {
    outputs: f.outputHeight!,
    stride: f.strideHeight!,
    reach: (f.kernelHeight! - 1) * f.dilationHeight!,
    taps: f.kernelHeight!,
  };
  const columns = {
    outputs: f.outputWidth!,
    stride: f.strideWidth!,
    reach: (f.kernelWidth! - 1) * f.dilationWidth!,
    taps: f.kernelWidth!,
  };
  const third = (n: number) => Math.ceil(n / 3);
  const isTurned = third(columns.outputs) * rows.outputs < third(rows.outputs) * columns.outputs;
  const [outer, inner] = isTurned ? [columns, rows] : [rows, columns];
  const hasLanes = kernel <= LANE_INPUTS;
  const band = hasLanes ? third(outer.outputs) : outer.outputs;
  const height = (band - 1) * outer.stride + outer.reach + 1;
  const width = (inner.outputs - 1) * inner.stride + inner.reach + 1;
  const name = hasLanes ? "Lanes" : "Single";
  const windows = planes * band * inner.outputs;
  return {
    plane: planes,
    planeRow: planes * height,
    [`element${name}`]: planes * height * width,
    outputRow: planes * band,
    [`window${name}`]: windows,
    windowRow: windows * outer.taps,
    [`tap${name}`]: windows * kernel,
    [isTwoPart ? "twoPart" : "exact"]: planes * f.outputHeight! * f.outputWidth!,
  };
}
