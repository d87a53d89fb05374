import { randomBytes } from "node:crypto";
import { readdir, realpath, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { makeFolder, reasonOf } from "../../data/files.ts";
import { ThumbnetError } from "../../errors.ts";

/** What every exported folder has: only a folder with it is replaced. */
const MARK = join("thumbnet", "thumbnet.h");

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Checks that an exported folder can be written there.
 *
 * @param force whether an earlier export may be replaced
 * @throws ThumbnetError when the folder holds something, or there can be none
 */
export async function checkFolder(path: string, force: boolean): Promise<void> {
  const parent = dirname(resolve(path));
  const found = await stat(path).catch(() => null);
  if (!found) {
    const inside = await stat(parent).catch(() => null);
    if (!inside?.isDirectory())
      throw new ThumbnetError(`${path}: there is no folder to put it in: ${dirname(path)}`);
    return;
  }
  if (!found.isDirectory()) throw new ThumbnetError(`${path}: is a file, a folder is expected`);
  if (`${process.cwd()}${sep}`.startsWith(`${await realpath(path)}${sep}`)) {
    throw new ThumbnetError(
      `${path}: is the current folder, or holds it: it cannot be replaced by the export`,
    );
  }
  if ((await readdir(path)).length === 0) return;
  if (!force) {
    throw new ThumbnetError(
      `${path}: is not empty: name another folder, or replace an earlier export with --force`,
    );
  }
  if (!(await exists(join(path, MARK)))) {
    throw new ThumbnetError(
      `${path}: is no exported folder (it has no ${MARK}): --force replaces nothing else`,
    );
  }
}

/**
 * Writes a folder as a whole: under a temporary name beside it, then renamed.
 *
 * @throws ThumbnetError when it cannot be written; what was there is still there
 */
export async function writeFolder(
  path: string,
  files: ReadonlyMap<string, string | Uint8Array>,
  force: boolean,
): Promise<void> {
  await checkFolder(path, force);
  const target = (await exists(path)) ? await realpath(path) : resolve(path);
  const beside = (kind: string) =>
    join(dirname(target), `.${basename(target)}.${randomBytes(4).toString("hex")}.${kind}`);
  const [made, old] = [beside("tmp"), beside("old")];
  try {
    for (const [file, content] of files) {
      await makeFolder(dirname(join(made, file)));
      await writeFile(join(made, file), content);
    }
    if (!(await exists(target))) {
      await rename(made, target);
    } else if (force) {
      await rename(target, old);
      await rename(made, target).catch(async (error) => {
        await rename(old, target);
        throw error;
      });
      await rm(old, { recursive: true, force: true });
    } else {
      await rmdir(target);
      await rename(made, target);
    }
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw new ThumbnetError(`${path}: cannot be written: ${reasonOf(error)}`);
  }
}
