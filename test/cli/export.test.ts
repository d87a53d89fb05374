import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { writeFolder } from "../../src/mcu/export/folder.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import { hasMake, make } from "../mcu/export-project.ts";
import { randomGraph } from "../support/random-graph.ts";
import { identityModel, smallModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
const small = write("small.tflite", smallModel());

/** Every file below a folder with its content. */
function tree(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const plain = files.filter((file) => statSync(join(folder, file)).isFile()).sort();
  return Object.fromEntries(plain.map((file) => [file, readFileSync(join(folder, file), "latin1")]));
}

/** One line on standard error and nothing else. */
function problem(code: number, ...args: string[]): string {
  const result = thumbnet("export", ...args);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
  expect(result.stderr).toMatch(/^thumbnet: [^\n]+\n$/);
  return result.stderr;
}

/** What lies in the temporary folder beside what is named. */
const leftovers = () => readdirSync(path("")).filter((name) => name.startsWith("."));

test("writes a folder, says what it takes, and leaves nothing else", () => {
  const out = path("project");
  const { code, stdout, stderr } = thumbnet("export", small, "--out", out, "--name", "net");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("kernels conv_s8, fully_connected_s8, softmax_s8");
  expect(stdout).toMatch(/^flash +[\d,]+ +of 2,097,152/m);
  expect(stdout).toMatch(/^RAM +[\d,]+ +of 270,336/m);
  for (const file of [
    "net.c",
    "net.h",
    "main.c",
    "Makefile",
    "README.md",
    "LICENSE",
    "thumbnet/thumbnet.h",
  ]) {
    expect(existsSync(join(out, file)), file).toBe(true);
  }
  expect(leftovers()).toEqual([]);
});

test("--json says the same, and exporting twice gives the same bytes", () => {
  const [first, second] = ["a", "b"].map((name) => thumbnetJson("export", small, "--out", path(name)));
  expect(tree(path("b"))).toEqual(tree(path("a")));
  expect({ ...second, out: first.out }).toEqual(first);
  expect(first.files).toEqual(Object.keys(tree(path("a"))));
  const { image, sample, code, arena, scratch, static: variables, stack_reserve } = first.memory;
  expect(first.flash_bytes).toBe(image + sample + code);
  expect(first.ram_bytes).toBe(arena + scratch + variables + stack_reserve);
  expect(first.kernels).toEqual(["conv_s8", "fully_connected_s8", "softmax_s8"]);
});

test("an image gives the project of the model that it was made from", () => {
  const image = path("small.image");
  expect(thumbnet("inspect", small, "--image", image).code).toBe(0);
  const [a, b] = [path("from-tflite"), path("from-image")];
  thumbnetJson("export", small, "--out", a);
  thumbnetJson("export", image, "--out", b);
  expect(tree(b)["model.c"]).toBe(tree(a)["model.c"]);
});

describe.skipIf(!hasMake)("the log of what was built", () => {
  const graph = randomGraph(168).graph;
  const model = write("random.tflite", writeTflite(tfliteFromGraph(graph)));

  function logOf(out: string): string {
    const log = `${out}.log`;
    writeFileSync(log, make(out, "host"));
    return log;
  }

  test.each([
    ["zeros", []],
    ["a sample", ["--input", path("random.bin")]],
  ])("passes verify: %s", (name, options) => {
    const out = path(`verified ${name}`);
    const image = path("random.image");
    thumbnet("inspect", model, "--image", image);
    const bytes = graph.inputs.reduce(
      (sum, t) => sum + graph.tensors[t]!.shape.reduce((a, b) => a * b, 1),
      0,
    );
    write(
      "random.bin",
      Uint8Array.from({ length: bytes }, (_, i) => 31 * i + 7),
    );
    const { files } = thumbnetJson("export", model, "--out", out, ...options);
    const samples = files.filter((file: string) => /^sample-\d\.bin$/.test(file));
    expect(samples).toHaveLength(graph.inputs.length);
    const inputs = samples.map((file: string) => join(out, file));
    expect(thumbnetJson("verify", model, ...inputs, "--log", logOf(out)).equal).toBe(true);
    // And fails for a log of another input.
    const log = `${out}.log`;
    writeFileSync(log, readFileSync(log, "utf8").replace(/^operator 0 crc ./m, "operator 0 crc x"));
    expect(thumbnet("verify", model, ...inputs, "--log", log).code).toBe(1);
  });
});

describe("the folder", () => {
  test("may be there, when it is empty", () => {
    mkdirSync(path("empty"));
    expect(thumbnet("export", small, "--out", path("empty")).code).toBe(0);
    expect(existsSync(path("empty/Makefile"))).toBe(true);
  });

  test("must not hold anything; --force replaces an earlier export, and nothing else", () => {
    const out = path("forced");
    thumbnetJson("export", small, "--out", out, "--name", "first");
    write("forced/main.c", "changed");
    expect(problem(1, small, "--out", out)).toContain("is not empty");
    expect(readFileSync(join(out, "main.c"), "utf8")).toBe("changed");
    thumbnetJson("export", small, "--out", out, "--name", "second", "--force");
    thumbnetJson("export", small, "--out", path("plain"), "--name", "second");
    expect(tree(out)).toEqual(tree(path("plain")));

    mkdirSync(path("home"));
    write("home/letter.txt", "dear all");
    expect(problem(1, small, "--out", path("home"), "--force")).toContain("is no exported folder");
    expect(tree(path("home"))).toEqual({ "letter.txt": "dear all" });
    expect(leftovers()).toEqual([]);
  });

  test("through a symbolic link stays where it is", () => {
    mkdirSync(path("target"));
    symlinkSync(path("target"), path("link"));
    thumbnetJson("export", small, "--out", path("link"));
    expect(lstatSync(path("link")).isSymbolicLink()).toBe(true);
    expect(existsSync(path("target/Makefile"))).toBe(true);
  });

  test("that cannot be written is one error, and nothing is left", async () => {
    expect(problem(1, small, "--out", small)).toContain("is a file, a folder is expected");
    expect(problem(1, small, "--out", path("no/such"))).toContain("there is no folder to put it in");
    expect(problem(1, small, "--out", ".", "--force")).toContain("is the current folder");
    expect(problem(1, small, "--out", "..", "--force")).toContain("is the current folder, or holds it");
    // A file that is also to be a folder: the writing fails half way.
    const files = new Map([
      ["a", ""],
      ["a/b", ""],
    ]);
    await expect(writeFolder(path("half"), files, false)).rejects.toThrow(/half: cannot be written: /);
    if (process.platform === "linux") {
      // Where Node's own recursive mkdir never ends.
      await expect(writeFolder("/proc/thumbnet", files, false)).rejects.toThrow(
        /^\/proc\/thumbnet: cannot be written: /,
      );
    }
    expect(existsSync(path("half"))).toBe(false);
    expect(leftovers()).toEqual([]);
  });
});

describe("too large for the chip is refused with the figures, before anything is written", () => {
  const out = path("large");

  function check(model: Uint8Array, options: string[], message: RegExp): void {
    expect(problem(1, write("large.tflite", model), "--out", out, ...options)).toMatch(message);
    expect(existsSync(out)).toBe(false);
    expect(leftovers()).toEqual([]);
  }

  function dense(inputs: number, outputs: number): Uint8Array {
    const tensors = [
      tensor("in", [1, inputs]),
      tensor("weights", [outputs, inputs], { scale: 0.01, data: new Int8Array(inputs * outputs).fill(1) }),
      tensor("out", [1, outputs]),
    ];
    const options = { activation: "NONE", keepNumDims: false } as const;
    return tflite(
      "dense",
      tensors,
      [{ kind: "FULLY_CONNECTED", inputs: [0, 1, -1], outputs: [2], options }],
      [0],
      [2],
    );
  }

  test("flash", () => {
    check(
      dense(1500, 1500),
      [],
      /large\.tflite: too large for the flash of a Raspberry Pi Pico: 2,2\d\d,\d{3} of 2,097,152 bytes \(image 2,2\d\d,\d{3}, code [\d,]+\)/,
    );
  });

  test("RAM", () => {
    check(
      identityModel([1, 300_000]),
      [],
      /too large for the RAM .*: 30\d,\d{3} of 270,336 bytes \(arena 300,000, variables \d+, stack 2,048\)\n/,
    );
  });

  test("RAM, with the program in it, though it fits into flash", () => {
    check(
      dense(600, 500),
      ["--resident", "ram"],
      /too large for the RAM .*image 30\d,\d{3}, .*; with --resident flash it fits\n/,
    );
    expect(thumbnet("export", write("large.tflite", dense(600, 500)), "--out", path("fits")).code).toBe(0);
  });
});

test.each([
  ["no identifier", "1net", "it must be a C identifier"],
  ["with a path", "../net", "it must be a C identifier"],
  ["with a minus", "my-net", "it must be a C identifier"],
  ["too long", "n".repeat(33), "32 characters at most"],
  ["the runtime's", "thumbnet", "of that name already"],
  ["the example's", "Main", "of that name already"],
])("a --name that is %s is a usage error", (_, name, message) => {
  expect(problem(2, small, "--out", path("named"), "--name", name)).toContain(message);
  expect(existsSync(path("named"))).toBe(false);
});

test("wrong inputs are one error each, and nothing is written", () => {
  const out = path("wrong");
  expect(problem(2, small)).toContain("--out");
  expect(problem(2, small, "--out", out, "--resident", "eeprom")).toContain("flash, ram");
  const sample = write("short.bin", new Uint8Array(31));
  expect(problem(1, small, "--out", out, "--input", sample)).toContain(
    `${sample}: has 31 bytes; one run takes 32 of int8 ("picture" 32)`,
  );
  expect(problem(1, small, "--out", out, "--input", path("absent.bin"))).toContain("no such file");
  expect(problem(1, write("text.tflite", "just some text in a file"), "--out", out)).toContain("text.tflite");
  const image = Buffer.from(readFileSync(path("small.image")));
  image[image.length - 1]! ^= 1;
  expect(problem(1, write("damaged.image", image), "--out", out)).toContain("damaged.image: is damaged");
  const float = tflite(
    "f",
    [tensor("a", [1, 4], { dtype: "float32" }), tensor("b", [1, 4], { dtype: "float32" })],
    [{ kind: "RELU", inputs: [0], outputs: [1], options: {} }],
    [0],
    [1],
  );
  const unsupported = write("float.tflite", float);
  expect(thumbnet("export", unsupported, "--out", out)).toEqual(thumbnet("trace", unsupported, sample));
  expect(existsSync(out)).toBe(false);
});
