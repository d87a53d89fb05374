// @ts-check
/** What peers share. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** The path of a package's file, as an import would find it. @param {string} specifier */
export function pathOf(specifier) {
  return fileURLToPath(import.meta.resolve(specifier));
}

/** What a page loads of the files, each gzipped. @param {readonly string[]} specifiers @returns {number} bytes */
export function gzippedSize(specifiers) {
  return specifiers.reduce(
    (sum, specifier) => sum + gzipSync(readFileSync(pathOf(specifier)), { level: 9 }).length,
    0,
  );
}

/** @param {string} name of the model @param {Int8Array} values @param {number} length */
export function checkLength(name, values, length) {
  if (values.length !== length) throw new Error(`${name}: ${values.length} input bytes instead of ${length}`);
}

/** Outputs as one, in memory of its own. @param {readonly Int8Array[]} parts */
export function joined(parts) {
  const out = new Int8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
