import { mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readRecord } from "../../src/prune/depth/records.ts";
import { temporaryFolder } from "../cli/cli.ts";

const folder = temporaryFolder();

test("a result that is damaged, or of another program, is refused by its name", async () => {
  const path = folder.path("whole");
  mkdirSync(path);
  expect(await readRecord(path)).toBe(null);
  const whole = { format: 3, kind: "whole", network: "n", identity: {}, command: null, figures: {} };
  for (const content of ["{", "null", '{"format":3}', JSON.stringify({ ...whole, format: 2 })]) {
    writeFileSync(`${path}/result.json`, content);
    await expect(readRecord(path)).rejects.toThrow(
      /whole\/result\.json: is no result of this version of thumbnet; remove it$/,
    );
  }
  writeFileSync(`${path}/result.json`, JSON.stringify(whole));
  expect(await readRecord(path)).toMatchObject({ kind: "whole", network: "n" });
});
