export interface WavOptions {
  readonly sampleRate?: number;
  readonly channels?: number;
  readonly encoding?: number;
  readonly bits?: number;
  /** Chunks that stand before the samples. */
  readonly before?: Uint8Array;
}

/** A WAV file. @param data the samples as they are stored, channels interleaved */
export function wav(data: Uint8Array, options: WavOptions = {}): Uint8Array {
  const { sampleRate = 16000, channels = 1, encoding = 1, bits = 16, before = new Uint8Array(0) } = options;
  const format = new DataView(new ArrayBuffer(16));
  format.setUint16(0, encoding, true);
  format.setUint16(2, channels, true);
  format.setUint32(4, sampleRate, true);
  format.setUint32(8, (sampleRate * channels * bits) / 8, true);
  format.setUint16(12, (channels * bits) / 8, true);
  format.setUint16(14, bits, true);
  const chunk = (tag: string, content: Uint8Array) => {
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, content.length, true);
    return [...new TextEncoder().encode(tag), ...new Uint8Array(length.buffer), ...content];
  };
  const body = [
    ...new TextEncoder().encode("WAVE"),
    ...chunk("fmt ", new Uint8Array(format.buffer)),
    ...before,
    ...chunk("data", data),
  ];
  return Uint8Array.from(chunk("RIFF", Uint8Array.from(body)));
}

/** 16-bit samples, from real ones in -1 to 1. */
export function pcm16(samples: ArrayLike<number>): Uint8Array {
  return new Uint8Array(Int16Array.from(samples, (sample) => Math.round(sample * 32767)).buffer);
}
