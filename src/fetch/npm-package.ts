/** Packages of npm as archives, got by the npm that is there. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ThumbnetError } from "../errors.ts";

const run = promisify(execFile);

/**
 * Has npm put the archive of a package into a folder; nothing of it is installed or run.
 *
 * @param folder an empty one
 * @returns the archive's path
 * @throws ThumbnetError where there is no npm, or it cannot get the package
 */
export async function packFromNpm(packageName: string, version: string, folder: string): Promise<string> {
  const name = `${packageName}@${version}`;
  // On Windows npm is a script, which only a shell can start; neither word needs quotes there.
  const shell = process.platform === "win32";
  try {
    await run("npm", ["pack", name, "--ignore-scripts", "--loglevel=error"], { cwd: folder, shell });
  } catch (error) {
    const { code, stderr = "", message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === "ENOENT") throw new ThumbnetError(`${name}: needs npm, which is not on the path`);
    const said = (stderr || message)
      .replace(/^npm (ERR!|error) ?/gm, "")
      .trim()
      .split("\n");
    throw new ThumbnetError(`${name}: npm pack failed: ${said.slice(0, 3).join("; ")}`);
  }
  const archive = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
  if (archive === undefined) throw new ThumbnetError(`${name}: npm pack left no archive`);
  return join(folder, archive);
}
