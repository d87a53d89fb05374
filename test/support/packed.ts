import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

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
  remove(): Promise<void>;
}

/** Runs npm; what it printed is in the error's message. */
export async function npm(folder: string, ...args: string[]): Promise<void> {
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const shell = process.platform === "win32";
  await promisify(execFile)("npm", [...args, ...quiet], { cwd: folder, shell, maxBuffer: 2 ** 26 });
}

/** Packs what stands in `dist` now and installs it. Dependencies come from the registry, or else from here. */
export async function installPackedPackage(): Promise<PackedPackage> {
  if (!existsSync(join(REPOSITORY, "dist/index.js"))) {
    throw new Error('there is no dist to pack: run "npm run build" first');
  }
  const folder = await mkdtemp(join(tmpdir(), "thumbnet-packed-"));
  const project = join(folder, "project");
  await mkdir(project);
  await writeFile(
    join(project, "package.json"),
    '{ "name": "consumer", "private": true, "type": "module" }\n',
  );
  await npm(REPOSITORY, "pack", "--pack-destination", folder);
  const tarball = join(folder, (await readdir(folder)).find((name) => name.endsWith(".tgz"))!);
  const install = ["install", "--omit=optional", "--fetch-retries=0", tarball];
  try {
    await npm(project, ...install, "--prefer-offline");
  } catch (error) {
    console.warn(`no install from the registry, dependencies are taken from this checkout: ${error}`);
    const { dependencies } = await import("../../package.json", { with: { type: "json" } }).then(
      (m) => m.default,
    );
    const local = Object.keys(dependencies).map((name) => join(REPOSITORY, "node_modules", name));
    await npm(project, ...install, "--offline", ...local);
  }
  const root = join(project, "node_modules/thumbnet");
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .sort();
  return { folder, project, root, files, remove: () => rm(folder, { recursive: true, force: true }) };
}
