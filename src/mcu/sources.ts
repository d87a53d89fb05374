import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The C sources, beside `dist/` in the package and beside `src/` in the repository. */
export const FIRMWARE = fileURLToPath(new URL("../../firmware/", import.meta.url));

/** Where kernels, what they share, and the runtime itself are. */
const FOLDERS = ["", "kernels", "support"];

/** Every C file that is the same on all targets, relative to `firmware`, in a fixed order. */
export function portableSources(firmware = FIRMWARE): string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(firmware, folder))
      .filter((file) => file.endsWith(".c"))
      .sort()
      .map((file) => (folder ? `${folder}/${file}` : file)),
  );
}

/** What a file includes with quotes, resolved, and what those include: all relative to {@link FIRMWARE}. */
export function includedFiles(file: string): string[] {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    for (const [, name] of readFileSync(join(FIRMWARE, path), "utf8").matchAll(/^#include "([^"]+)"/gm)) {
      const included = join(folder, name!).replaceAll("\\", "/");
      if (seen.has(included)) continue;
      seen.add(included);
      visit(included);
    }
  };
  visit(file);
  return [...seen].sort();
}
