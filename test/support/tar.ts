/** Makes tar archives, entry by entry. */
import { gzipSync } from "node:zlib";

export interface TarFile {
  readonly path: string;
  readonly content?: string;
  /** Default: `0`, a file. */
  readonly type?: string;
  /** In a field of its own, before the path. */
  readonly prefix?: string;
}

function entry({ path, content = "", type = "0", prefix = "" }: TarFile): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(path, 0, 100);
  header.write("0000644\0", 100);
  header.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write(type, 156);
  header.write("ustar\x0000", 257);
  header.write(prefix, 345, 155);
  header.fill(" ", 148, 156);
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

export const tar = (files: readonly TarFile[]): Buffer =>
  Buffer.concat([...files.map(entry), Buffer.alloc(1024)]);

export const tarGz = (files: readonly TarFile[]): Buffer => gzipSync(tar(files));
