import { describe, expect, test } from "vitest";
import { parseNpy, readNpyLabels } from "../../src/data/npy.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { npy } from "../support/npy.ts";

const folder = temporaryFolder();

describe("parseNpy", () => {
  test.each([
    ["|u1", Uint8Array.of(0, 255, 7, 8, 9, 10)],
    ["|i1", Int8Array.of(-128, 127, 0, 1, 2, 3)],
    ["<i4", Int32Array.of(-5, 2 ** 31 - 1, 0, 1, 2, 3)],
    ["<i8", BigInt64Array.of(-5n, 2n ** 40n, 0n, 1n, 2n, 3n)],
    ["<f4", Float32Array.of(-0.5, 1e30, 0, 1, 2, 3)],
  ] as const)("%s", (descr, data) => {
    for (const version of [1, 2] as const) {
      expect(parseNpy(npy(descr, [2, 3], data, version), "x")).toEqual({ shape: [2, 3], data });
    }
  });

  test("one dimension, none, and a file that starts at an odd address", () => {
    const data = Float32Array.of(1, 2, 3);
    expect(parseNpy(npy("<f4", [3], data), "x").shape).toEqual([3]);
    expect(parseNpy(npy("<f4", [], data.subarray(0, 1)), "x")).toEqual({
      shape: [],
      data: data.subarray(0, 1),
    });
    const shifted = new Uint8Array([0, ...npy("<f4", [3], data)]).subarray(1);
    expect(parseNpy(shifted, "x").data).toEqual(data);
  });

  test("what is no .npy, cut off, too long or of another type", () => {
    const good = npy("|u1", [4], Uint8Array.of(1, 2, 3, 4));
    const broken = (text: string, other: string) =>
      Uint8Array.from(Buffer.from(Buffer.from(good).toString("latin1").replace(text, other), "latin1"));
    expect(() => parseNpy(Uint8Array.of(1, 2, 3), "f")).toThrow("f: is not a .npy file");
    expect(() => parseNpy(good.subarray(0, 60), "f")).toThrow("f: is cut off in its header");
    expect(() => parseNpy(good.subarray(0, -1), "f")).toThrow(
      "f: has 3 bytes after its header; [4] of |u1 takes 4 bytes",
    );
    expect(() => parseNpy(new Uint8Array([...good, 0]), "f")).toThrow("f: has 5 bytes after its header");
    expect(() => parseNpy(broken("|u1", ">f4"), "f")).toThrow(/elements of type >f4; supported: \|u1, /);
    expect(() => parseNpy(broken("False", "True "), "f")).toThrow("f: is in column order");
    expect(() => parseNpy(broken("\x01\x00", "\x09\x00"), "f")).toThrow("f: has version 9");
  });
});

describe("readNpyLabels", () => {
  const labels = (name: string, ...values: number[]) =>
    folder.write(name, npy("|u1", [values.length], Uint8Array.from(values)));

  test("reads classes", async () => {
    expect(await readNpyLabels(labels("good.npy", 0, 2, 1), 3, 3)).toEqual(Uint16Array.of(0, 2, 1));
  });

  test("names the first that is no class, and a count that is wrong", async () => {
    await expect(readNpyLabels(labels("bad.npy", 0, 3, 4), 3, 3)).rejects.toThrow(
      /bad\.npy: label 1 is 3; with 3 classes: 0 to 2/,
    );
    await expect(readNpyLabels(labels("few.npy", 0, 1), 3, 3)).rejects.toThrow(
      /few\.npy: has the shape \[2\]; there are 3 inputs/,
    );
    const floats = folder.write("float.npy", npy("<f4", [1], Float32Array.of(0)));
    await expect(readNpyLabels(floats, 1, 3)).rejects.toThrow(/holds floats/);
  });
});
