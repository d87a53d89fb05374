import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { extractTarGz } from "../../src/fetch/tar.ts";
import { tar, tarGz } from "../support/tar.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "thumbnet-tar-"));
  mkdirSync(join(root, "out"));
});
afterEach(() => rmSync(root, { recursive: true }));

const read = (path: string) => readFileSync(join(root, "out", path), "utf8");

function extract(archive: Uint8Array, strip = 0): Promise<number> {
  writeFileSync(join(root, "a.tar.gz"), archive);
  return extractTarGz(join(root, "a.tar.gz"), join(root, "out"), strip);
}

describe("a tar archive", () => {
  it("becomes files, with what its paths begin with left off", async () => {
    const long = "x".repeat(300000);
    const files = [
      { path: "package/", type: "5" },
      { path: "package/a.txt", content: "first" },
      { path: "./package/deep/b.bin", content: long },
      { path: "package/empty" },
      { path: "package/link", type: "2" },
    ];
    expect(await extract(tarGz(files), 1)).toBe(3);
    expect(readdirSync(join(root, "out")).sort()).toEqual(["a.txt", "deep", "empty"]);
    expect(read("a.txt")).toBe("first");
    expect(read("deep/b.bin")).toBe(long);
    expect(read("empty")).toBe("");
  });

  it("has long names in three ways", async () => {
    const name = `${"n".repeat(120)}.txt`;
    const record = ` path=pax/${name}\n`;
    const length = record.length + `${record.length + 3}`.length;
    const files = [
      { path: "@LongLink", type: "L", content: `gnu/${name}\0` },
      { path: "short", content: "gnu" },
      { path: "pax", type: "x", content: `${length}${record}` },
      { path: "short", content: "pax" },
      { path: "c.txt", prefix: "ustar/folder", content: "ustar" },
      { path: "plain", content: "plain" },
    ];
    expect(await extract(tarGz(files))).toBe(4);
    expect(read(`gnu/${name}`)).toBe("gnu");
    expect(read(`pax/${name}`)).toBe("pax");
    expect(read("ustar/folder/c.txt")).toBe("ustar");
    expect(read("plain")).toBe("plain");
  });

  it.each(["../evil", "a/../../evil", "/evil", "a\\..\\evil", "c:evil"])(
    "that holds %s is refused",
    async (path) => {
      const archive = tarGz([{ path: "good" }, { path, content: "evil" }]);
      await expect(extract(archive)).rejects.toThrow(
        /a\.tar\.gz: is no sound .*: it holds the path .*leads out/,
      );
      expect(readdirSync(join(root, "out"))).toEqual(["good"]);
      expect(readdirSync(root).sort()).toEqual(["a.tar.gz", "out"]);
    },
  );

  it("that is damaged is refused", async () => {
    const whole = tar([{ path: "a", content: "x".repeat(5000) }]);
    const bad = /a\.tar\.gz: is no sound \.tar\.gz archive: /;
    await expect(extract(Buffer.from("no gzip"))).rejects.toThrow(bad);
    rmSync(join(root, "out/a"), { force: true });
    await expect(extract(gzipSync(whole.subarray(0, 3000)))).rejects.toThrow(
      /it ends in the middle of a file/,
    );
    rmSync(join(root, "out/a"), { force: true });
    await expect(extract(gzipSync(whole).subarray(0, 60))).rejects.toThrow(bad);
    rmSync(join(root, "out/a"), { force: true });
    const wrong = Buffer.from(whole);
    wrong[0] = 98;
    await expect(extract(gzipSync(wrong))).rejects.toThrow(/the checksum of a header is wrong/);
  });
});
