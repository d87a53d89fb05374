/** What pruning leaves in its folder: one folder a network, each with a `result.json`. */
import { join } from "node:path";
import { isFile, listFolders, readText, writeWhole } from "../../data/files.ts";
import { ThumbnetError } from "../../errors.ts";
import { formatJson } from "../../report/json.ts";
import type { Figures } from "../measure.ts";

export const RECORD_FILE = "result.json";
const FORMAT = 3;

interface Common {
  /** What makes it this result: plain data, compared as JSON. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** How it was called, where that is known. */
  readonly command: string | null;
  readonly figures: Figures;
}

export interface WholeRecord extends Common {
  readonly kind: "whole";
  readonly network: string;
  /** [height, width, channels] */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Names of all places where it can be cut, first to last. */
  readonly cuts: readonly string[];
}

/** A network that was not made here, measured for comparison. */
export interface AddedRecord extends Common {
  readonly kind: "added";
  readonly name: string;
}

export interface CutRecord extends Common {
  readonly kind: "cut";
  readonly cut: string;
  readonly head: string;
  readonly frozen: boolean;
  readonly distilled: boolean;
  /** Tells series with other options apart. */
  readonly tag: string | null;
  readonly seed: number;
  readonly epochs: number;
  readonly bestEpoch: number;
}

export type DepthRecord = WholeRecord | AddedRecord | CutRecord;

export async function writeRecord(folder: string, record: DepthRecord): Promise<void> {
  await writeWhole(join(folder, RECORD_FILE), formatJson({ format: FORMAT, ...record }));
}

/** Null where there is none. @throws ThumbnetError when the file is none of ours */
export async function readRecord(folder: string): Promise<DepthRecord | null> {
  const path = join(folder, RECORD_FILE);
  if (!(await isFile(path))) return null;
  try {
    const { format, ...record } = JSON.parse(await readText(path));
    const isObject = (value: unknown) => typeof value === "object" && value !== null;
    if (format === FORMAT && isObject(record.identity) && isObject(record.figures))
      return record as DepthRecord;
  } catch (error) {
    if (error instanceof ThumbnetError) throw error;
  }
  throw new ThumbnetError(`${path}: is no result of this version of thumbnet; remove it`);
}

export interface FoundRecord {
  /** With the network's files. */
  readonly folder: string;
  readonly record: DepthRecord;
}

/** All results in a folder, by the names of their folders. */
export async function readRecords(folder: string): Promise<FoundRecord[]> {
  const names = (await listFolders(folder)).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const found = await Promise.all(
    names.map(async (name) => {
      const record = await readRecord(join(folder, name));
      return record === null ? [] : [{ folder: join(folder, name), record }];
    }),
  );
  return found.flat();
}

/** Whether two identities are the same. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(JSON.parse(JSON.stringify(b)));
}

/** Whether a network was cut from another one than its losses are counted against. */
export function hasReference({ identity }: DepthRecord): boolean {
  const { from } = (identity.cut ?? {}) as { from?: unknown };
  return from !== undefined && !isSame(from, identity.whole);
}
