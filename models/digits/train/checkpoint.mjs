/** The state of a training run on disk: build/checkpoint.json. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { here } from "./data.mjs";

const FILE = here("build/checkpoint.json");

/** Written whole or not at all, so a run that is stopped here leaves the previous checkpoint. */
export function saveCheckpoint(state) {
  mkdirSync(here("build"), { recursive: true });
  // A float32 comes back exactly from its decimal form.
  const text = JSON.stringify(state, (_, v) => (v instanceof Float32Array ? { float32: [...v] } : v));
  writeFileSync(`${FILE}.new`, text);
  renameSync(`${FILE}.new`, FILE);
}

/** The last saved state, or null. */
export function loadCheckpoint() {
  if (!existsSync(FILE)) return null;
  return JSON.parse(readFileSync(FILE, "utf8"), (_, v) => (v?.float32 ? Float32Array.from(v.float32) : v));
}
