import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

/** An `in-*.ts` of this folder as a module that imports the installed package by the given specifier. */
export async function buildProgram(name: string, specifier: string, outfile: string): Promise<void> {
  const packageOutside: Plugin = {
    name: "package-outside",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\/src\/index\.ts$/ }, () => ({ path: specifier, external: true })),
  };
  const entryPoints = [fileURLToPath(new URL(name, import.meta.url))];
  await build({
    entryPoints,
    outfile,
    bundle: true,
    format: "esm",
    external: ["node:*"],
    plugins: [packageOutside],
  });
}

/** Bundles for a page as a user would, nothing left out; refuses top-level await and what only Node has. */
export function bundleForPage(project: string, code: string) {
  const stdin = { contents: code, resolveDir: project };
  const target = { format: "iife", platform: "browser", minify: true } as const;
  return build({ ...target, stdin, bundle: true, metafile: true, write: false, logLevel: "silent" });
}
