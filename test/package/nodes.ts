import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { npm, REPOSITORY } from "../support/packed.ts";

const run = promisify(execFile);

/**
 * A Node of this major version: the present one, or the newest of the registry, which is kept in `node_modules/.cache`.
 * (The package `node` would only pick one of these by an install script, and its `.bin/node` would hide the user's.)
 *
 * @returns its path; null, with a warning, where there is none to be had
 */
export async function findNode(major: number): Promise<string | null> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const windows = process.platform === "win32";
  const name = `node-${windows ? "win" : process.platform}-${process.arch}`;
  const folder = join(REPOSITORY, "node_modules/.cache/thumbnet", `node-${major}`);
  const binary = join(folder, "node_modules", name, "bin", windows ? "node.exe" : "node");
  const partial = `${folder}.${process.pid}`;
  try {
    if (!existsSync(binary)) {
      await mkdir(partial, { recursive: true });
      await npm(
        partial,
        "install",
        "--prefix",
        partial,
        "--no-save",
        "--fetch-retries=0",
        `${name}@${major}`,
      );
      await rm(folder, { recursive: true, force: true });
      await rename(partial, folder);
    }
    const { stdout } = await run(binary, ["--version"]);
    if (!stdout.startsWith(`v${major}.`)) throw new Error(`${name}@${major} is ${stdout.trim()}`);
    return binary;
  } catch (error) {
    console.warn(`SKIPPED: the package under Node ${major}: ${error}`);
    return null;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Runs a script in a process of its own and gives what it printed. */
export async function runNode(binary: string, folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(binary, args, { cwd: folder, maxBuffer: 2 ** 26 });
  return stdout;
}
