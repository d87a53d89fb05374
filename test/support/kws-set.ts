import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KWS_CLASSES } from "../../src/data/kws-set.ts";
import { npy } from "./npy.ts";

/** Writes a keyword-spotting set: twelve words, each loud in bins of its own, at a time that differs. @returns the folder */
export function writeKwsSet(folder: string, counts: Readonly<Record<string, number>>): string {
  mkdirSync(folder, { recursive: true });
  for (const [part, count] of Object.entries(counts)) {
    const pixels = new Uint8Array(count * 49 * 40);
    const labels = Uint8Array.from({ length: count }, (_, i) => i % KWS_CLASSES.length);
    labels.forEach((label, i) => {
      for (let frame = 0; frame < 49; frame++) {
        for (let bin = 0; bin < 40; bin++) {
          const isLoud = label !== 10 && Math.floor(bin / 3) === label && Math.abs(frame - 20 - (i % 7)) < 8;
          pixels[(i * 49 + frame) * 40 + bin] = isLoud ? 180 : 40 + ((i * 31 + bin * 7 + frame * 13) % 30);
        }
      }
    });
    writeFileSync(join(folder, `logmel_${part}.npy`), npy("|u1", [count, 49, 40], pixels));
    writeFileSync(join(folder, `labels_${part}.npy`), npy("|u1", [count], labels));
  }
  return folder;
}
