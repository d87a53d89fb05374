/** Pointwise and full convolution: three or six pixels are packed, and multiplied by all weights. */
import { alignUp } from "../../plan/layout.ts";
import { Counts, copied, type Features, type Fields, filled } from "./counts.ts";
import { isTwoPart, requantized, type Surroundings } from "./requantized.ts";

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

export function matrixFeatures(f: Fields, around: Surroundings): Features {
  const isConv = f.kernelHeight !== undefined;
  const groups = f.groups ?? 1;
  const depth = ((f.kernelHeight ?? 1) * (f.kernelWidth ?? 1) * f.inputChannels!) / groups;
  const pixels = isConv ? f.outputHeight! * f.outputWidth! : f.pixels!;
  const repeats = isConv ? f.batch! * groups : 1;
  const { six, three } = passes(pixels, f.columns!);
  const [sixes, threes] = [repeats * six, repeats * three];
  const channels = f.outputChannels! / groups;
  const triples = 2 * sixes + threes;
  const [packs, rows] =
    f.dilationWidth! > 1 ? [f.kernelHeight! * f.kernelWidth!, 1] : [1, f.kernelHeight ?? 1];
  const counts: Record<string, number> = {
    group: repeats,
    six: sixes,
    three: threes,
    pack: triples * packs,
    packedRow: triples * packs * rows,
    packedInput: triples * depth,
    channelSix: sixes * channels,
    channelThree: threes * channels,
  };
  if (f.sparse) {
    const { pairs, turns } = sparsePairs(around.image, f.weights!, channels);
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
  if (!isTwoPart(around) || f.unpack! < depth) {
    // Sums leave their lanes into int32, and become int8 in C.
    const chunks = Math.ceil(depth / f.unpack!);
    Object.assign(counts, {
      unpackedSix: sixes * channels * chunks,
      unpackedThree: threes * channels * chunks,
      stored: (sixes + threes) * channels,
      ...requantized(repeats * pixels * channels, around),
    });
  }
  if (!isConv) return counts;
  return { ...counts, ...copiesOfRows(f, repeats, groups) };
}

/** Elements of the input along an axis that windows reach. */
function covered(outputs: number, stride: number, kernel: number, dilation: number): number {
  return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

/**
 * Input rows that are copied with their padding: each is loaded once, before the pass that needs it, and what the next
 * pass needs again is moved to the front.
 */
function copiesOfRows(f: Fields, repeats: number, groups: number): Features {
  const segment = f.inputChannels! / groups;
  const columns = covered(f.outputWidth!, f.strideWidth!, f.kernelWidth!, f.dilationWidth!);
  const height = covered(f.outputHeight!, f.strideHeight!, f.kernelHeight!, f.dilationHeight!);
  const isPadded = f.padTop! + f.padLeft! > 0 || columns > f.inputWidth! || height > f.inputHeight!;
  if (!isPadded && groups === 1) return {};
  const pitch = alignUp(columns * segment, 4);
  const reach = height - (f.outputHeight! - 1) * f.strideHeight!;
  const inside = Math.min(columns - f.padLeft!, f.inputWidth!);
  const [calls, bytes] = groups === 1 ? [1, inside * segment] : [inside, segment];
  const counts = new Counts();
  let [first, end] = [-f.padTop!, -f.padTop!];
  for (const [top, last] of topsOfPasses(f)) {
    counts.add({ ready: repeats });
    if (top !== first)
      counts.add({ moved: repeats, movedWords: (repeats * Math.max(0, end - top) * pitch) / 4 });
    first = top;
    end = Math.max(end, top);
    for (; end < last + reach; end++) {
      counts.add(filled(repeats, pitch));
      if (end < 0 || end >= f.inputHeight!) continue;
      const from = f.input! + end * f.inputWidth! * f.inputChannels!;
      const isAligned = [from, f.padLeft! * segment, groups === 1 ? 0 : segment].every((n) => n % 4 === 0);
      counts.add(copied(repeats * calls, bytes, isAligned ? 1 : 0));
    }
  }
  return counts.all;
}

/** For each pass the upper ends of its first and its last window. */
function* topsOfPasses(f: Fields) {
  const pixels = f.outputHeight! * f.outputWidth!;
  const top = (pixel: number) => Math.floor(pixel / f.outputWidth!) * f.strideHeight! - f.padTop!;
  for (let at = 0; at < pixels; ) {
    const most = f.columns! > 3 && pixels - at > 3 ? 6 : 3;
    const next = Math.min(pixels, at + most);
    yield [top(at), top(next - 1)] as const;
    at = next;
  }
}
