import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const REPOSITORY = resolve(fileURLToPath(import.meta.url), "../../..");

/** The package as a user gets it: packed, and installed into an empty project. */
export interface PackedPackage {
  /** A temporary folder, for whatever else a test has to write. */
  readonly folder: string;
  /** The project, inside `folder`, that depends on thumbnet and on nothing else. */
  readonly project: string;
  /** The project's `node_modules/thumbnet`. */
  readonly root: string;
  /** Paths in the package, with forward slashes, sorted. */
  readonly files: readonly string[];
  /** Else the registry could not be reached, and the command line cannot start. */
  readonly hasDependencies: boolean;
  remove(): Promise<void>;
}

/** Runs npm; what it printed is in the error's message. */
export async function npm(folder: string, ...args: string[]): Promise<void> {
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const shell = process.platform === "win32";
  await run("npm", [...args, ...quiet], { cwd: folder, shell, maxBuffer: 2 ** 26 });
}

/** Packs what stands in `dist` now and installs it. */
export async function installPackedPackage(): Promise<PackedPackage> {
  if (!existsSync(join(REPOSITORY, "dist/index.js"))) {
    throw new Error('there is no dist to pack: run "npm run build" first');
  }
  const folder = await mkdtemp(join(tmpdir(), "thumbnet-packed-"));
  const project = join(folder, "project");
  const root = join(project, "node_modules/thumbnet");
  await mkdir(root, { recursive: true });
  await writeFile(
    join(project, "package.json"),
    '{ "name": "consumer", "private": true, "type": "module" }\n',
  );
  await npm(REPOSITORY, "pack", "--pack-destination", folder);
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"))!;
  const hasDependencies = await npm(
    project,
    ...["install", "--omit=optional", "--prefer-offline", "--fetch-retries=0", join(folder, tarball)],
  ).then(
    () => true,
    async (error: unknown) => {
      console.warn(`thumbnet is unpacked without what the command line depends on: ${error}`);
      await run("tar", ["-xzf", join("..", tarball), "-C", root, "--strip-components=1"], { cwd: project });
      return false;
    },
  );
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .sort();
  return {
    folder,
    project,
    root,
    files,
    hasDependencies,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
