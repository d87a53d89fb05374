/** Downloads that go on where they stopped. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { about } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import type { Source } from "./sources.ts";

export interface DownloadOptions {
  /** The length that the file must have. */
  readonly bytes: number;
  /** Failures in a row, none of which brought a byte, after which it gives up; default: 4. */
  readonly attempts?: number;
  /** Before the second attempt, then twice as long each time; default: 1000. */
  readonly pauseMs?: number;
  /** Without a byte, a connection counts as lost; default: 30,000. */
  readonly silenceMs?: number;
  /** @param done bytes there are; @param from bytes there were */
  readonly onProgress?: (done: number, from: number) => void;
  /** Told why another attempt is made. */
  readonly onRetry?: (reason: string) => void;
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** A failure that another attempt may not have. */
class Interruption extends Error {}

/** What `fetch` says is "fetch failed"; its cause says why. */
const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  const inner = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : null;
  return inner ? `${message}: ${inner}` : message;
};

/** Asks for what comes after `from`. @returns the body, and where it begins */
async function request(
  url: string,
  from: number,
  bytes: number,
  signal: AbortSignal,
): Promise<{ body: AsyncIterable<Uint8Array>; begin: number }> {
  const headers = { "accept-encoding": "identity", ...(from > 0 && { range: `bytes=${from}-` }) };
  const response = await fetch(url, { headers, signal }).catch((error: unknown) => {
    throw new Interruption(reasonOf(error));
  });
  const { status, statusText } = response;
  const problem = `${url}: answers ${status} ${statusText}`.trim();
  if (status >= 500 || status === 429) throw new Interruption(problem);
  if ((status !== 200 && status !== 206) || response.body === null) throw new ThumbnetError(problem);
  const begin =
    status === 206 ? Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1]) : 0;
  if (begin !== 0 && begin !== from) throw new ThumbnetError(`${url}: gives another part than was asked for`);
  const length = response.headers.get("content-length");
  if (length !== null && begin + Number(length) !== bytes) {
    throw new ThumbnetError(`${url}: has ${begin + Number(length)} bytes; expected: ${bytes}`);
  }
  return { body: response.body as unknown as AsyncIterable<Uint8Array>, begin };
}

/** One attempt. @throws Interruption where another may get further */
async function attempt(url: string, path: string, options: DownloadOptions): Promise<void> {
  const { bytes, silenceMs = 30_000, onProgress } = options;
  const from = await sizeOf(path);
  const controller = new AbortController();
  const lost = () => controller.abort(new Error(`nothing came for ${silenceMs / 1000} s`));
  let timer = setTimeout(lost, silenceMs);
  try {
    const { body, begin } = await request(url, from, bytes, controller.signal);
    const file = await about(path, open(path, begin === 0 ? "w" : "a"));
    try {
      let done = begin;
      const chunks = body[Symbol.asyncIterator]();
      while (true) {
        const chunk = await chunks.next().catch((error: unknown) => {
          throw new Interruption(reasonOf(error));
        });
        if (chunk.done) break;
        clearTimeout(timer);
        timer = setTimeout(lost, silenceMs);
        done += chunk.value.length;
        if (done > bytes) throw new ThumbnetError(`${url}: has more than the ${bytes} bytes expected`);
        await about(path, file.writeFile(chunk.value));
        onProgress?.(done, begin);
      }
      if (done < bytes) throw new Interruption(`${url}: ended after ${done} of ${bytes} bytes`);
    } finally {
      await file.close();
    }
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

/**
 * Downloads a file. What is there of it already is kept, and the rest asked for; a connection that breaks is made
 * again. What has come when it gives up stays, for the next time.
 *
 * @throws ThumbnetError when the address does not answer, or with another file, or the disk is full
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<void> {
  const { bytes, attempts = 4, pauseMs = 1000, onRetry } = options;
  if ((await sizeOf(path)) > bytes) await rm(path);
  for (let failures = 0; (await sizeOf(path)) < bytes; ) {
    const before = await sizeOf(path);
    try {
      await attempt(url, path, options);
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      failures = (await sizeOf(path)) > before ? 1 : failures + 1;
      if (failures >= attempts) throw new ThumbnetError(`${url}: ${error.message}`);
      onRetry?.(error.message);
      await wait(pauseMs * 2 ** (failures - 1));
    }
  }
}

/** @throws ThumbnetError when the content of a file is not what was published */
export async function checkContent(path: string, { bytes, checksum }: Source): Promise<void> {
  const found = await sizeOf(path);
  if (found !== bytes) throw new ThumbnetError(`${path}: has ${found} bytes; expected: ${bytes}`);
  const hash = createHash(checksum.algorithm);
  const read = async () => {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Uint8Array);
  };
  await about(path, read());
  const hex = hash.digest("hex");
  if (hex !== checksum.hex) {
    throw new ThumbnetError(
      `${path}: has the ${checksum.algorithm} checksum ${hex}; expected: ${checksum.hex}`,
    );
  }
}
