/** Files, with errors that say in one line what is wrong. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ThumbnetError } from "../errors.ts";

const MESSAGES: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EEXIST: "is a file, a folder is expected",
  EISDIR: "is a folder, a file is expected",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space left on the disk",
  EROFS: "the disk is read-only",
};

/** What a file system error says, in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return MESSAGES[code ?? ""] ?? message;
}

/** Puts the path before the message of a file system error. */
export async function about<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw new ThumbnetError(`${path}: ${reasonOf(error)}`);
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return (await about(path, stat(path))).isDirectory();
}

async function list(folder: string, areFolders: boolean): Promise<string[]> {
  const entries = await about(folder, readdir(folder, { withFileTypes: true }));
  return entries
    .filter((entry) => entry.isDirectory() === areFolders && !entry.name.startsWith("."))
    .map(({ name }) => name);
}

/** The names of what is no folder in a folder, without hidden files. */
export const listFiles = (folder: string): Promise<string[]> => list(folder, false);

/** The names of the folders in a folder, without hidden ones. */
export const listFolders = (folder: string): Promise<string[]> => list(folder, true);

/** Null where there is nothing, or nothing that can be seen. */
const statOf = (path: string) => stat(path).catch(() => null);

/** Makes a folder, and those that it is in, where there is none. @throws ThumbnetError where it cannot */
export async function makeFolder(path: string): Promise<void> {
  const isThere = async () => (await statOf(path))?.isDirectory() ?? false;
  if (await isThere()) return;
  // Not Node's own recursion: it never ends where a file system, such as /proc, answers that there is no such folder.
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent);
  // Another process may have made it meanwhile.
  const made = mkdir(path).catch(async (error) => {
    if (!(await isThere())) throw error;
  });
  await about(path, made);
}

/** Whether there is a regular file of that name. */
export async function isFile(path: string): Promise<boolean> {
  return (await statOf(path))?.isFile() ?? false;
}

/** The length of a regular file. @throws ThumbnetError when it is missing, empty, or something else */
export async function fileBytes(path: string): Promise<number> {
  const found = await about(path, stat(path));
  if (found.isDirectory()) throw new ThumbnetError(`${path}: ${MESSAGES.EISDIR}`);
  if (!found.isFile()) throw new ThumbnetError(`${path}: is not a regular file`);
  if (found.size === 0) throw new ThumbnetError(`${path}: is empty`);
  return found.size;
}

/** `length` bytes of a file from `offset`. @throws ThumbnetError also when the file ends before */
export async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await about(path, open(path));
  try {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await about(path, file.read(bytes, done, length - done, offset + done));
      if (bytesRead === 0)
        throw new ThumbnetError(`${path}: ends at ${offset + done} bytes, before ${offset + length}`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** A whole file. @throws ThumbnetError when it is missing, empty, or not a regular file */
export async function readWhole(path: string): Promise<Uint8Array> {
  return readRange(path, 0, await fileBytes(path));
}

/** A whole text file, UTF-8. */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readWhole(path));
}

/** A whole text file, split into lines, without empty ones at the end. */
export async function readLines(path: string): Promise<string[]> {
  const text = await readText(path);
  const lines = text.split(/\r?\n/);
  while (lines.at(-1)?.trim() === "") lines.pop();
  return lines;
}

/** @throws ThumbnetError when a file cannot be written there, so that it is known before long work */
export async function checkTarget(path: string): Promise<void> {
  const folder = dirname(path);
  if (!(await isFolder(folder))) throw new ThumbnetError(`${folder}: is not a folder`);
  const existing = await stat(path).catch(() => null);
  if (existing?.isDirectory()) throw new ThumbnetError(`${path}: ${MESSAGES.EISDIR}`);
  if (existing && !existing.isFile()) throw new ThumbnetError(`${path}: is not a regular file`);
}

/** Writes a whole file or, when anything fails, none: under a temporary name beside it, then renamed. */
export async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  await checkTarget(path);
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await about(path, writeFile(temporary, content, { flag: "wx" }));
    await about(path, rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
