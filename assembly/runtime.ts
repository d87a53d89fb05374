/**
 * The runtime: a loop over the image's records that calls kernels. Memory holds, wherever the caller puts
 * them, the image (read only), the arena (as the chip has it) and a workspace that is this runtime's own:
 *
 *   workspace: for each record the address of its packed data and of its copy (u32 each), scratch, spare input,
 *   packed data and copies
 *
 * Kernels read their input in another order than the chip's. Where a record's output lies on its input, the input is
 * first copied to the spare region; such a record has a copy that reads from there. The workspace lies behind the
 * image.
 */
import { add_s8, add_s8_pack, add_s8_packed_bytes } from "./kernels/add_s8";
import { avg_pool_s8 } from "./kernels/avg_pool_s8";
import { conv_s8, conv_s8_pack, conv_s8_packed_bytes, conv_s8_scratch_bytes } from "./kernels/conv_s8";
import { copy_s8 } from "./kernels/copy_s8";
import {
  depthwise_s8,
  depthwise_s8_pack,
  depthwise_s8_packed_bytes,
  depthwise_s8_scratch_bytes,
} from "./kernels/depthwise_s8";
import {
  fully_connected_s8,
  fully_connected_s8_pack,
  fully_connected_s8_packed_bytes,
  fully_connected_s8_scratch_bytes,
} from "./kernels/fully_connected_s8";
import { lookup_s8 } from "./kernels/lookup_s8";
import { max_pool_s8 } from "./kernels/max_pool_s8";
import { mean_s8 } from "./kernels/mean_s8";
import { mul_s8 } from "./kernels/mul_s8";
import { pad_s8 } from "./kernels/pad_s8";
import {
  pointwise_s8,
  pointwise_s8_pack,
  pointwise_s8_packed_bytes,
  pointwise_s8_scratch_bytes,
} from "./kernels/pointwise_s8";
import { softmax_s8 } from "./kernels/softmax_s8";
import { formCounts } from "./support/pack_block";
import { inputBytes, overwritesInput } from "./support/overlap";
import { CONSTANT_BIT } from "./support/operand";
import * as R from "./support/records";

const ALIGNMENT: usize = 16;

// @ts-ignore: decorator
@inline
function aligned(bytes: usize): usize {
  return (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

// @ts-ignore: decorator
@inline
function recordAt(image: usize, index: u32): usize {
  return image + changetype<R.Header>(image).recordsOffset + <usize>index * R.RECORD_BYTES;
}

function packedBytes(record: usize): usize {
  switch (load<u8>(record)) {
    case R.CONV_S8:
      return conv_s8_packed_bytes(changetype<R.ConvS8Record>(record));
    case R.POINTWISE_S8:
      return pointwise_s8_packed_bytes(changetype<R.PointwiseS8Record>(record));
    case R.DEPTHWISE_S8:
      return depthwise_s8_packed_bytes(changetype<R.DepthwiseS8Record>(record));
    case R.FULLY_CONNECTED_S8:
      return fully_connected_s8_packed_bytes(changetype<R.FullyConnectedS8Record>(record));
    case R.ADD_S8:
      return add_s8_packed_bytes();
    default:
      return 0;
  }
}

function scratchBytes(record: usize): usize {
  switch (load<u8>(record)) {
    case R.CONV_S8:
      return conv_s8_scratch_bytes(changetype<R.ConvS8Record>(record));
    case R.POINTWISE_S8:
      return pointwise_s8_scratch_bytes(changetype<R.PointwiseS8Record>(record));
    case R.DEPTHWISE_S8:
      return depthwise_s8_scratch_bytes(changetype<R.DepthwiseS8Record>(record));
    case R.FULLY_CONNECTED_S8:
      return fully_connected_s8_scratch_bytes(changetype<R.FullyConnectedS8Record>(record));
    default:
      return 0;
  }
}

function pack(record: usize, image: usize, packed: usize, scratch: usize): void {
  switch (load<u8>(record)) {
    case R.CONV_S8:
      conv_s8_pack(changetype<R.ConvS8Record>(record), image, packed, scratch);
      break;
    case R.POINTWISE_S8:
      pointwise_s8_pack(changetype<R.PointwiseS8Record>(record), image, packed, scratch);
      break;
    case R.DEPTHWISE_S8:
      depthwise_s8_pack(changetype<R.DepthwiseS8Record>(record), image, packed);
      break;
    case R.FULLY_CONNECTED_S8:
      fully_connected_s8_pack(changetype<R.FullyConnectedS8Record>(record), image, packed);
      break;
    case R.ADD_S8:
      add_s8_pack(changetype<R.AddS8Record>(record), packed);
      break;
  }
}

// @ts-ignore: decorator
@inline
function addressesBytes(image: usize): usize {
  return aligned(<usize>changetype<R.Header>(image).recordCount << 3);
}

function largestScratch(image: usize): usize {
  let bytes: usize = 0;
  for (let i: u32 = 0; i < changetype<R.Header>(image).recordCount; i++) {
    bytes = max(bytes, scratchBytes(recordAt(image, i)));
  }
  return aligned(bytes);
}

function largestSpare(image: usize): usize {
  let bytes: usize = 0;
  for (let i: u32 = 0; i < changetype<R.Header>(image).recordCount; i++) {
    const record = recordAt(image, i);
    if (overwritesInput(record)) bytes = max(bytes, inputBytes(record) + ALIGNMENT);
  }
  return aligned(bytes);
}

/** The first record whose packed data serve record `index` as well: slices of one operator share theirs. */
function packedLike(image: usize, index: u32): u32 {
  const record = recordAt(image, index);
  const bytes = packedBytes(record);
  for (let i: u32 = 0; i < index; i++) {
    const other = recordAt(image, i);
    // Opcode and operator.
    if (load<u32>(other) == load<u32>(record) && packedBytes(other) == bytes) return i;
  }
  return index;
}

/** The first free address: everything above is the caller's. */
export function heapBase(): usize {
  return aligned(__heap_base);
}

/** Bytes of workspace that the image at this address needs. */
export function workspaceBytes(image: usize): usize {
  let bytes = addressesBytes(image) + largestScratch(image) + largestSpare(image);
  for (let i: u32 = 0; i < changetype<R.Header>(image).recordCount; i++) {
    const record = recordAt(image, i);
    if (packedLike(image, i) == i) bytes += aligned(packedBytes(record));
    if (overwritesInput(record)) bytes += aligned(R.RECORD_BYTES);
  }
  return bytes;
}

/** Packs weights into the workspace; once, before the first run. Addresses are multiples of 16. */
export function prepare(image: usize, workspace: usize): void {
  const scratch = workspace + addressesBytes(image);
  const spare = scratch + largestScratch(image);
  let free = spare + largestSpare(image);
  for (let i: u32 = 0; i < changetype<R.Header>(image).recordCount; i++) {
    const record = recordAt(image, i);
    const entry = workspace + (<usize>i << 3);
    const like = packedLike(image, i);
    if (like == i) {
      store<u32>(entry, <u32>free);
      pack(record, image, free, scratch);
      free += aligned(packedBytes(record));
    } else {
      store<u32>(entry, load<u32>(workspace + (<usize>like << 3)));
    }
    store<u32>(entry, 0, 4);
    if (overwritesInput(record)) {
      memory.copy(free, record, R.RECORD_BYTES);
      changetype<R.PointwiseS8Record>(free).input = CONSTANT_BIT | <u32>(spare - image);
      store<u32>(entry, <u32>free, 4);
      free += aligned(R.RECORD_BYTES);
    }
  }
}

/** Runs records [first, last). */
export function run(image: usize, arena: usize, workspace: usize, first: u32, last: u32): void {
  const scratch = workspace + addressesBytes(image);
  for (let i = first; i < last; i++) {
    const entry = workspace + (<usize>i << 3);
    let record = recordAt(image, i);
    const copy = <usize>load<u32>(entry, 4);
    if (copy) {
      const spare = image + (changetype<R.PointwiseS8Record>(copy).input & ~CONSTANT_BIT);
      memory.copy(spare, arena + changetype<R.PointwiseS8Record>(record).input, inputBytes(record));
      record = copy;
    }
    runRecord(record, image, arena, <usize>load<u32>(entry), scratch);
  }
}

function runRecord(record: usize, image: usize, arena: usize, packed: usize, scratch: usize): void {
  switch (load<u8>(record)) {
    case R.CONV_S8:
      conv_s8(changetype<R.ConvS8Record>(record), image, arena, packed, scratch);
      break;
    case R.POINTWISE_S8:
      pointwise_s8(changetype<R.PointwiseS8Record>(record), image, arena, packed, scratch);
      break;
    case R.DEPTHWISE_S8:
      depthwise_s8(changetype<R.DepthwiseS8Record>(record), image, arena, packed, scratch);
      break;
    case R.FULLY_CONNECTED_S8:
      fully_connected_s8(changetype<R.FullyConnectedS8Record>(record), image, arena, packed, scratch);
      break;
    case R.AVG_POOL_S8:
      avg_pool_s8(changetype<R.AvgPoolS8Record>(record), image, arena);
      break;
    case R.MAX_POOL_S8:
      max_pool_s8(changetype<R.MaxPoolS8Record>(record), image, arena);
      break;
    case R.ADD_S8:
      add_s8(changetype<R.AddS8Record>(record), image, arena, packed);
      break;
    case R.MUL_S8:
      mul_s8(changetype<R.MulS8Record>(record), image, arena);
      break;
    case R.LOOKUP_S8:
      lookup_s8(changetype<R.LookupS8Record>(record), image, arena);
      break;
    case R.SOFTMAX_S8:
      softmax_s8(changetype<R.SoftmaxS8Record>(record), image, arena);
      break;
    case R.PAD_S8:
      pad_s8(changetype<R.PadS8Record>(record), image, arena);
      break;
    case R.MEAN_S8:
      mean_s8(changetype<R.MeanS8Record>(record), image, arena);
      break;
    case R.COPY_S8:
      copy_s8(changetype<R.CopyS8Record>(record), image, arena);
      break;
    default:
      unreachable();
  }
}

/** How many channels got each form of requantisation (see solve.ts) since this module was instantiated. */
export function requantizationForms(form: i32): u32 {
  return ASC_FEATURE_SIMD ? load<u32>(formCounts + (<usize>form << 2)) : 0;
}
