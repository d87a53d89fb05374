import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { makeFolder } from "../../src/data/files.ts";
import { temporaryFolder } from "../cli/cli.ts";

const folder = temporaryFolder();

test("a folder is made with those that it is in, once or by many at once", async () => {
  const path = folder.path("a/b/c");
  await Promise.all([makeFolder(path), makeFolder(path), makeFolder(folder.path("a/b/d"))]);
  await makeFolder(path);
  expect(existsSync(path) && existsSync(folder.path("a/b/d"))).toBe(true);
});

test("where a file is in the way, the message says so", async () => {
  folder.write("file", "x");
  await expect(makeFolder(folder.path("file"))).rejects.toThrow(/file: is a file, a folder is expected$/);
  await expect(makeFolder(folder.path("file/x"))).rejects.toThrow(/file: is a file, a folder is expected$/);
});

test.skipIf(process.platform !== "linux")(
  "a file system that has no new folders is refused, soon",
  async () => {
    await expect(makeFolder("/proc/thumbnet")).rejects.toThrow(/^\/proc\/thumbnet: no such file or folder$/);
  },
);
