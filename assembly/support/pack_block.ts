/** Fills blocks of eight channels (see `channels.ts`) when a model is loaded (SIMD). */
import {
  BIAS,
  BLOCK_BYTES,
  CHANNELS,
  EXTRA,
  FLOAT_CLAMPED,
  FLOAT_SIGN_CLAMPED,
  isPlain,
  MIXED,
  OFFSET,
  SCALE,
} from "./channels";
import { Requantization } from "./records";
import { highFactorOf, isTwoPart, lowFactorOf, multiplierOf, offsetOf, shiftOf, startOf } from "./requantization";
import {
  Channel,
  FLOAT,
  FLOAT_SIGN,
  INTEGER,
  isWithin,
  PLAIN,
  Solution,
  solve,
  TWO_PART,
} from "./solve";

/** So many channels of a block are done in integers one by one; with more, all eight are done that way. */
const MOST_EXACT: i32 = 2;

/** How many channels each form was chosen for, since the module was instantiated: u32 by form. */
export const formCounts = memory.data(20);

const channel = changetype<Channel>(memory.data(offsetof<Channel>()));
/** The last channel that was solved, and what came out. */
const last = changetype<Channel>(memory.data(offsetof<Channel>()));
const solution = changetype<Solution>(memory.data(offsetof<Solution>()));
let lastForm: i32 = INTEGER;

/** What all channels of an operator have in common. */
// @ts-ignore: decorator
@unmanaged
export class Tables {
  requantization: Requantization;
  zeroPoint: i32;
  low: i32;
  high: i32;
}

export const tables = changetype<Tables>(memory.data(offsetof<Tables>()));

export function setTables(requantization: usize, zeroPoint: i32, low: i32, high: i32): void {
  tables.requantization = changetype<Requantization>(requantization);
  tables.zeroPoint = zeroPoint;
  tables.low = low;
  tables.high = high;
  // No channel's: solutions are not carried over from another operator.
  last.shift = i32.MAX_VALUE;
}

/** What is known of a channel's weights, and of its sum with any int8 input. */
// @ts-ignore: decorator
@unmanaged
class Sum {
  /** The range of sum(x * w). */
  low: i32;
  high: i32;
  weights: i32;
}

const sums = memory.data(8 * 12);

// @ts-ignore: decorator
@inline
function sumAt(i: i32): Sum {
  return changetype<Sum>(sums + <usize>i * offsetof<Sum>());
}

/** Sets what is known of channel i of a block from its weights, `stride` bytes apart. */
export function setSumRange(i: i32, weights: usize, count: i32, stride: usize, weightsZeroPoint: i32): void {
  const s = sumAt(i);
  s.low = 0;
  s.high = 0;
  s.weights = 0;
  widenSumRange(i, weights, count, stride, weightsZeroPoint);
}

/** The same with more weights of the channel. */
export function widenSumRange(i: i32, weights: usize, count: i32, stride: usize, weightsZeroPoint: i32): void {
  const s = sumAt(i);
  let low = s.low, high = s.high, sum = s.weights;
  for (let k = 0; k < count; k++) {
    const w = <i32>load<i8>(weights) - weightsZeroPoint;
    low += w > 0 ? w * -128 : w * 127;
    high += w > 0 ? w * 127 : w * -128;
    sum += w;
    weights += stride;
  }
  s.low = low;
  s.high = high;
  s.weights = sum;
}

/** Fills `channel`; false where an accumulator could leave int32. */
function setChannel(i: i32, c: i32): bool {
  const t = tables.requantization;
  const sum = sumAt(i);
  const start = <i64>startOf(t, c, sum.weights);
  const low = start + sum.low, high = start + sum.high;
  channel.isTwoPart = isTwoPart(t);
  channel.low = tables.low;
  channel.high = tables.high;
  channel.accMin = <i32>low;
  channel.accMax = <i32>high;
  if (channel.isTwoPart) {
    channel.highFactor = highFactorOf(t, c);
    channel.lowFactor = lowFactorOf(t, c);
    channel.offset = offsetOf(t, c);
    channel.productShift = t.productShift;
    channel.outputShift = t.outputShift;
    return true;
  }
  channel.multiplier = multiplierOf(t, c);
  channel.shift = shiftOf(t, c);
  channel.zeroPoint = tables.zeroPoint;
  // The left shift must not wrap either.
  const limit = (<i64>1 << 31) >> max(channel.shift, 0);
  return low >= -limit && high < limit;
}

/** Whether the last channel of the operator that was solved had all but its range in common with this one. */
function isLikeLast(): bool {
  const a = channel, b = last;
  if (a.isTwoPart || b.isTwoPart || a.multiplier != b.multiplier || a.shift != b.shift) return false;
  return isWithin(a, solution);
}

/** Fills a channel's place in a MIXED block, as one that is done in integers. */
function packExact(at: usize, i: i32, c: i32): void {
  const t = tables.requantization;
  if (isTwoPart(t)) return;
  store<i32>(at, startOf(t, c, sumAt(i).weights), BIAS);
  store<i32>(at, multiplierOf(t, c), SCALE);
  store<i32>(at, shiftOf(t, c), EXTRA);
}

/** Fills a channel's place in a block; the form that was proven, INTEGER where none was. */
function packFloat(block: usize, i: i32, c: i32): i32 {
  const at = block + (<usize>i << 2);
  if (!setChannel(i, c)) {
    packExact(at, i, c);
    return INTEGER;
  }
  if (!isLikeLast()) {
    lastForm = solve(channel, solution);
    memory.copy(changetype<usize>(last), changetype<usize>(channel), offsetof<Channel>());
  }
  if (lastForm == INTEGER) {
    packExact(at, i, c);
    return INTEGER;
  }
  store<i32>(at, startOf(tables.requantization, c, sumAt(i).weights) - solution.origin, BIAS);
  store<f32>(at, solution.scale, SCALE);
  store<f32>(at, solution.offset, OFFSET);
  store<f32>(at, lastForm == FLOAT ? 0.0 : solution.offset2 - solution.offset, EXTRA);
  return lastForm;
}

/** What always serves, by what the image has. */
function packIntegers(block: usize, first: i32, count: i32): i32 {
  const t = tables.requantization;
  let form = INTEGER;
  memory.fill(block, 0, BLOCK_BYTES);
  for (let i = 0; i < count; i++) {
    const c = first + i;
    const at = block + (<usize>i << 2);
    store<i32>(at, startOf(t, c, sumAt(i).weights), BIAS);
    if (isTwoPart(t)) {
      store<i32>(at, highFactorOf(t, c), SCALE);
      store<i32>(at, offsetOf(t, c), OFFSET);
      store<i32>(at, lowFactorOf(t, c), EXTRA);
    } else {
      const shift = shiftOf(t, c);
      store<i32>(at, multiplierOf(t, c), SCALE);
      store<i32>(at, isPlain(shift) ? 0 : 1 << (30 + shift), OFFSET);
      store<i32>(at, shift, EXTRA);
      if (isPlain(shift)) form = PLAIN;
    }
  }
  if (!isTwoPart(t)) return form;
  store<i32>(block, t.productShift, 4);
  store<i32>(block, t.outputShift, 8);
  store<i32>(block, tables.low, 12);
  return TWO_PART;
}

/**
 * Fills the block of channels [start, start + 8) by the cheapest form that is proven for all of them, or for all but few;
 * FLOAT_SIGN does for channels of form FLOAT as well. `channels` is the end of the channels, `counted` how many of them are new. `tables` and
 * the sums of the channels are set.
 */
export function packBlock(block: usize, start: i32, channels: i32, counted: i32): void {
  const count = min(CHANNELS, channels - start);
  memory.fill(block, 0, BLOCK_BYTES);
  let form = FLOAT;
  let exact = 0;
  for (let i = 0; i < count; i++) {
    const found = packFloat(block, i, start + i);
    if (found == INTEGER) exact |= 1 << i;
    else form = max(form, found);
  }
  const isWhole = tables.low == -128 && tables.high == 127;
  const isMixed = exact != 0 && isWhole && count == CHANNELS && popcnt(exact) <= MOST_EXACT && !isTwoPart(tables.requantization);
  if (exact != 0 && !isMixed) form = packIntegers(block, start, count);
  if (isMixed) {
    form = FLOAT_SIGN;
    store<i32>(block, MIXED);
    store<i32>(block, exact, 4);
  } else {
    store<i32>(block, isWhole || form > FLOAT_SIGN ? form : form == FLOAT ? FLOAT_CLAMPED : FLOAT_SIGN_CLAMPED);
  }
  const alone = isMixed ? popcnt(exact >> (count - counted)) : 0;
  addCount(form, counted - alone);
  addCount(INTEGER, alone);
}

function addCount(form: i32, channels: i32): void {
  const counter = formCounts + (<usize>form << 2);
  store<u32>(counter, load<u32>(counter) + channels);
}
