/** WAV files. Runs in the browser. */
import { ThumbnetError } from "../errors.ts";

export interface Sound {
  /** Samples a second. */
  readonly sampleRate: number;
  /** -1 to 1; the mean of all channels. */
  readonly samples: Float32Array;
}

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

interface Format {
  readonly encoding: number;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

/** How to read one sample; null where it is not supported. */
function sampleReader({ encoding, bits }: Format): ((view: DataView, offset: number) => number) | null {
  if (encoding === PCM && bits === 16) return (view, offset) => view.getInt16(offset, true) / 2 ** 15;
  if (encoding === PCM && bits === 8) return (view, offset) => (view.getUint8(offset) - 128) / 2 ** 7;
  if (encoding === PCM && bits === 32) return (view, offset) => view.getInt32(offset, true) / 2 ** 31;
  if (encoding === FLOAT && bits === 32) return (view, offset) => view.getFloat32(offset, true);
  if (encoding !== PCM || bits !== 24) return null;
  return (view, offset) => (view.getInt16(offset + 1, true) * 256 + view.getUint8(offset)) / 2 ** 23;
}

/**
 * Parses a WAV file: PCM of 8, 16, 24 or 32 bits, or float32; any number of channels.
 *
 * @param name what error messages call the file
 * @throws ThumbnetError when it is something else, or cut off
 */
export function parseWav(bytes: Uint8Array, name: string): Sound {
  const fail = (problem: string) => new ThumbnetError(`${name}: ${problem}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (offset: number) => String.fromCharCode(...bytes.subarray(offset, offset + 4));
  if (bytes.length < 12 || tag(0) !== "RIFF" || tag(8) !== "WAVE") throw fail("is not a WAV file");
  let format: Format | null = null;
  for (let offset = 12; offset + 8 <= bytes.length; ) {
    const length = view.getUint32(offset + 4, true);
    const start = offset + 8;
    if (tag(offset) === "fmt ") {
      if (length < 16 || start + length > bytes.length) throw fail("is cut off in its format");
      const encoding = view.getUint16(start, true);
      format = {
        // An extensible format has the encoding later, as the first two bytes of an identifier.
        encoding: encoding === EXTENSIBLE && length >= 26 ? view.getUint16(start + 24, true) : encoding,
        channels: view.getUint16(start + 2, true),
        sampleRate: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      };
    } else if (tag(offset) === "data") {
      if (format === null) throw fail("has samples before their format");
      if (start + length > bytes.length) {
        throw fail(`is cut off: ${bytes.length - start} bytes of ${length} bytes of samples`);
      }
      return { sampleRate: format.sampleRate, samples: readSamples(view, start, length, format, fail) };
    }
    offset = start + length + (length & 1);
  }
  throw fail("holds no samples");
}

function readSamples(
  view: DataView,
  start: number,
  length: number,
  format: Format,
  fail: (problem: string) => ThumbnetError,
): Float32Array {
  const { channels, bits, encoding } = format;
  const read = sampleReader(format);
  if (read === null || channels === 0) {
    const found = `encoding ${encoding} of ${bits} bits in ${channels} channels`;
    throw fail(`has ${found}; supported: PCM of 8, 16, 24 or 32 bits, and float32`);
  }
  const each = bits / 8;
  const samples = new Float32Array(Math.floor(length / each / channels));
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += read(view, start + (i * channels + c) * each);
    samples[i] = sum / channels;
    if (!Number.isFinite(sum)) throw fail(`has a sample that is not finite (${i})`);
  }
  return samples;
}
