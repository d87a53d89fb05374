/** Unpacks gzipped tar archives (POSIX ustar, with the long names of pax and GNU). */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import { about, makeFolder } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";

const BLOCK = 512;

/** Reads so many bytes at a time from chunks of any length. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Up to `length` bytes: what is at hand; null at the end. */
  async some(length: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done) return null;
      this.#rest = value;
    }
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  /** Parts of the next `length` bytes. */
  async *parts(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (part === null) throw new Error("it ends in the middle of a file");
      left -= part.length;
      yield part;
    }
  }

  async exactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let offset = 0;
    for await (const part of this.parts(length)) {
      bytes.set(part, offset);
      offset += part.length;
    }
    return bytes;
  }
}

interface Header {
  readonly path: string;
  readonly size: number;
  /** `0`: file, `5`: folder, `L`: a long name, `x`: pax. */
  readonly type: string;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\0.*$/s, "");
const octal = (bytes: Uint8Array) => Number.parseInt(text(bytes).trim() || "0", 8);

/** Null: the block of zeros that ends an archive. */
function parseHeader(block: Uint8Array): Header | null {
  if (block.every((byte) => byte === 0)) return null;
  // The checksum is of the header with spaces in its own place.
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (octal(block.subarray(148, 156)) !== sum) throw new Error("the checksum of a header is wrong");
  const size = octal(block.subarray(124, 136));
  if (!Number.isSafeInteger(size) || size < 0) throw new Error("a file has no length");
  const isUstar = text(block.subarray(257, 262)) === "ustar";
  const prefix = isUstar ? text(block.subarray(345, 500)) : "";
  const name = text(block.subarray(0, 100));
  return { path: prefix ? `${prefix}/${name}` : name, size, type: String.fromCharCode(block[156] || 48) };
}

/** The path that pax records give; they are `length key=value` and a line break each. */
function paxPath(records: Uint8Array): string | null {
  return /^\d+ path=(.*)$/m.exec(new TextDecoder().decode(records))?.[1] ?? null;
}

/** Longest name or pax record that is believed. */
const LONGEST_NAME = 2 ** 16;

/** The path below the folder; null where nothing is left of it. @throws Error where it leads out */
function pathBelow(path: string, strip: number): string | null {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || parts.some((part) => part === ".." || /[\\:\0]/.test(part))) {
    throw new Error(`it holds the path ${JSON.stringify(path)}, which leads out of the folder`);
  }
  return parts.slice(strip).join("/") || null;
}

async function unpack(reader: ByteReader, folder: string, strip: number): Promise<number> {
  const made = new Set<string>();
  let files = 0;
  let longName: string | null = null;
  while (true) {
    const header = parseHeader(await reader.exactly(BLOCK));
    if (header === null) return files;
    const padding = (BLOCK - (header.size % BLOCK)) % BLOCK;
    if (header.type === "L" || header.type === "x") {
      if (header.size > LONGEST_NAME) throw new Error("a name is too long");
      const content = await reader.exactly(header.size);
      longName = header.type === "L" ? text(content) : (paxPath(content) ?? longName);
      await reader.exactly(padding);
      continue;
    }
    const path = pathBelow(longName ?? header.path, strip);
    longName = null;
    // Folders come into being with what is in them; links and devices are left out.
    if (header.type === "0" && path !== null) {
      const target = join(folder, path);
      if (!made.has(dirname(target))) await makeFolder(dirname(target));
      made.add(dirname(target));
      const file = await about(target, open(target, "wx"));
      try {
        for await (const part of reader.parts(header.size)) await about(target, file.writeFile(part));
      } finally {
        await file.close();
      }
      files++;
    } else {
      for await (const _ of reader.parts(header.size));
    }
    await reader.exactly(padding);
  }
}

/**
 * Unpacks the files of a `.tar.gz` archive.
 *
 * @param folder an empty one
 * @param strip folders to leave off the start of every path
 * @param onProgress told how many bytes of the archive are read
 * @returns the number of files
 * @throws ThumbnetError when the archive is damaged or leads out of the folder, or a file cannot be written
 */
export async function extractTarGz(
  archive: string,
  folder: string,
  strip: number,
  onProgress: (bytes: number) => void = () => {},
): Promise<number> {
  const source = createReadStream(archive, { highWaterMark: 2 ** 18 });
  const gunzip = createGunzip({ chunkSize: 2 ** 18 });
  source.on("data", () => onProgress(source.bytesRead)).on("error", (error) => gunzip.destroy(error));
  try {
    return await unpack(new ByteReader(source.pipe(gunzip)), folder, strip);
  } catch (error) {
    if (error instanceof ThumbnetError) throw error;
    throw new ThumbnetError(`${archive}: is no sound .tar.gz archive: ${(error as Error).message}`);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
