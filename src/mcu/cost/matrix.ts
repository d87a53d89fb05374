/** Pointwise and full convolution: three or six pixels are packed, and multiplied by all weights. */
import { copied, type Features, type Fields, filled, sum, taps } from "./counts.ts";
import type { Surroundings } from "./features.ts";

/** Passes over all weights, by the pixels that they take at a time. */
function passes(pixels: number, columns: number): { six: number; three: number } {
  if (columns <= 3) return { six: 0, three: Math.ceil(pixels / 3) };
  const rest = pixels % 6;
  return { six: Math.floor(pixels / 6) + (rest > 3 ? 1 : 0), three: rest > 0 && rest <= 3 ? 1 : 0 };
}

/** Pairs of sparse rows, and the turns of the loop over eight of them. */
function sparsePairs(image: Uint8Array, weights: number, channels: number): { pairs: number; turns: number } {
  let [at, pairs, turns] = [weights, 0, 0];
  for (let c = 0; c < channels; c++) {
    const count = image[at]! | (image[at + 1]! << 8);
    at += 2 + 2 * count;
    pairs += count;
    turns += Math.ceil(count / 8);
  }
  return { pairs, turns };
}

export function matrixFeatures(f: Fields, { image, isTwoPart }: Surroundings): Features {
  const isConv = f.kernelHeight !== undefined;
  const groups = f.groups ?? 1;
  const depth = ((f.kernelHeight ?? 1) * (f.kernelWidth ?? 1) * f.inputChannels!) / groups;
  const pixels = isConv ? f.outputHeight! * f.outputWidth! : f.pixels!;
  const repeats = isConv ? f.batch! * groups : 1;
  const { six, three } = passes(pixels, f.columns!);
  const [sixes, threes] = [repeats * six, repeats * three];
  const channels = f.outputChannels! / groups;
  const triples = 2 * sixes + threes;
  const packs = triples * (f.kernelHeight ?? 1);
  const counts: Record<string, number> = {
    group: repeats,
    six: sixes,
    three: threes,
    pack: packs,
    packedInput: triples * depth,
    channelSix: sixes * channels,
    channelThree: threes * channels,
  };
  if (f.sparse) {
    const { pairs, turns } = sparsePairs(image, f.weights!, channels);
    Object.assign(counts, {
      sparseSix: sixes * channels,
      sparseThree: threes * channels,
      pairSix: sixes * pairs,
      pairThree: threes * pairs,
      pairTurn: (sixes + threes) * turns,
    });
  } else {
    Object.assign(counts, {
      weightSix: sixes * channels * depth,
      weightThree: threes * channels * depth,
      weightWord: (sixes + threes) * channels * Math.ceil(depth / 4),
    });
  }
  if (!isTwoPart || f.unpack! < depth) {
    // Sums leave their lanes into int32, and become int8 in C.
    const chunks = Math.ceil(depth / f.unpack!);
    Object.assign(counts, {
      unpackedSix: sixes * channels * chunks,
      unpackedThree: threes * channels * chunks,
      stored: (sixes + threes) * channels,
      [isTwoPart ? "twoPart" : "exact"]: repeats * pixels * channels,
    });
  }
  if (!isConv) return counts;
  return { ...counts, ...windowFeatures(f, (3 * triples) / (repeats * pixels), repeats, groups) };
}

/** Rows of windows that are put together from the picture and padding; the others are read where they lie. */
function windowFeatures(f: Fields, share: number, repeats: number, groups: number): Features {
  const segment = f.inputChannels! / groups;
  const rowTaps = taps(
    f.outputHeight!,
    f.kernelHeight!,
    f.strideHeight!,
    f.dilationHeight!,
    f.padTop!,
    f.inputHeight!,
  );
  const columnTaps = taps(
    f.outputWidth!,
    f.kernelWidth!,
    f.strideWidth!,
    f.dilationWidth!,
    f.padLeft!,
    f.inputWidth!,
  );
  const insideRows = sum(rowTaps);
  const outsideRows = f.outputHeight! * f.kernelHeight! - insideRows;
  const whole = columnTaps.filter((count) => count === f.kernelWidth!).length;
  const cut = f.outputWidth! - whole;
  const isContiguous = f.kernelWidth === 1 || (f.dilationWidth! === 1 && groups === 1);
  const times = repeats * share;
  const made = times * insideRows * (isContiguous ? cut : f.outputWidth!);
  const tapsMade =
    times * insideRows * sum(columnTaps.filter((count) => !isContiguous || count < f.kernelWidth!));
  const row = f.kernelWidth! * segment;
  const isAligned = segment % 4 === 0 && f.inputChannels! % 4 === 0;
  return {
    windowRow: times * f.outputWidth! * f.outputHeight! * f.kernelHeight!,
    madeRow: made,
    paddedRow: times * insideRows * cut,
    ...filled(times * (outsideRows * f.outputWidth! + insideRows * cut), row),
    ...copied(tapsMade, segment, isAligned ? 1 : 0),
  };
}
