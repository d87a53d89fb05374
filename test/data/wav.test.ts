import { describe, expect, test } from "vitest";
import { parseWav } from "../../src/data/wav.ts";
import { pcm16, wav } from "../support/wav.ts";

const bytesOf = (array: Int16Array | Int32Array | Float32Array) => new Uint8Array(array.buffer);

describe("parseWav", () => {
  test("16 bits, one channel", () => {
    const file = wav(bytesOf(Int16Array.of(0, 16384, -32768)));
    expect(parseWav(file, "x")).toEqual({ sampleRate: 16000, samples: Float32Array.of(0, 0.5, -1) });
  });

  test("other lengths of samples, and another rate", () => {
    const options = { sampleRate: 44100 };
    expect(parseWav(wav(Uint8Array.of(128, 192, 0), { ...options, bits: 8 }), "x")).toEqual({
      sampleRate: 44100,
      samples: Float32Array.of(0, 0.5, -1),
    });
    const three = Uint8Array.of(0, 0, 0x40, 0, 0, 0x80, 0xff, 0xff, 0xff);
    expect(parseWav(wav(three, { bits: 24 }), "x").samples).toEqual(Float32Array.of(0.5, -1, -1 / 2 ** 23));
    const four = bytesOf(Int32Array.of(2 ** 30, -(2 ** 31)));
    expect(parseWav(wav(four, { bits: 32 }), "x").samples).toEqual(Float32Array.of(0.5, -1));
    const floats = bytesOf(Float32Array.of(0.25, -1));
    expect(parseWav(wav(floats, { bits: 32, encoding: 3 }), "x").samples).toEqual(Float32Array.of(0.25, -1));
  });

  test("two channels become their mean", () => {
    const file = wav(bytesOf(Int16Array.of(16384, 0, -16384, -16384)), { channels: 2 });
    expect(parseWav(file, "x").samples).toEqual(Float32Array.of(0.25, -0.5));
  });

  test("chunks that are not known are passed over, odd lengths too", () => {
    const list = Uint8Array.of(...new TextEncoder().encode("LIST"), 3, 0, 0, 0, 1, 2, 3, 0);
    expect(parseWav(wav(pcm16([0, 1]), { before: list }), "x").samples).toEqual(
      Float32Array.of(0, 32767 / 32768),
    );
  });

  test("what is no WAV, cut off or of another encoding", () => {
    const good = wav(pcm16([0, 0.5, 1]));
    expect(() => parseWav(new TextEncoder().encode("RIFFxxxxAVI "), "f")).toThrow("f: is not a WAV file");
    expect(() => parseWav(good.subarray(0, -2), "f")).toThrow("f: is cut off: 4 bytes of 6 bytes of samples");
    expect(() => parseWav(good.subarray(0, 30), "f")).toThrow("f: is cut off in its format");
    expect(() => parseWav(good.subarray(0, 36), "f")).toThrow("f: holds no samples");
    expect(() => parseWav(wav(pcm16([0]), { encoding: 2 }), "f")).toThrow(
      "f: has encoding 2 of 16 bits in 1 channels; supported: PCM of 8, 16, 24 or 32 bits, and float32",
    );
    expect(() => parseWav(wav(pcm16([0]), { channels: 0 }), "f")).toThrow(/in 0 channels/);
    const nan = bytesOf(Float32Array.of(0, Number.NaN));
    expect(() => parseWav(wav(nan, { bits: 32, encoding: 3 }), "f")).toThrow(
      "f: has a sample that is not finite (1)",
    );
    for (let length = 0; length < good.length; length++) {
      expect(() => parseWav(good.subarray(0, length), "f")).toThrow(/^f: /);
    }
  });
});
