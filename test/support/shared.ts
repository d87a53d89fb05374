import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Reference models, data and golden outputs that live beside the project and are not part of it.
 * THUMBNET_SHARED points elsewhere; a fresh clone has none, and what needs it is skipped, saying so.
 */
const root = process.env.THUMBNET_SHARED ?? resolve(fileURLToPath(import.meta.url), "../../../../shared");

export const hasShared = existsSync(join(root, "golden"));

if (!hasShared) {
  console.warn(
    `SKIPPED: tests on reference models and golden outputs (no folder ${root}; set THUMBNET_SHARED)`,
  );
}

export function sharedPath(...parts: string[]): string {
  return join(root, ...parts);
}

export function readShared(...parts: string[]): Uint8Array {
  return new Uint8Array(readFileSync(sharedPath(...parts)));
}
