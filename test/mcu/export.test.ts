// Exported projects are whole, small and the same each time; built for this machine they give the bytes of WebAssembly.
import { writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ExportOptions, exportProject, type Project } from "../../src/mcu/export.ts";
import { FIRMWARE } from "../../src/mcu/sources.ts";
import { compileGraph, compileTflite } from "../../src/plan/compile.ts";
import { readImage } from "../../src/plan/image.ts";
import { KERNELS } from "../../src/plan/layout.ts";
import { smallModel, tensor, tflite } from "../cli/cli.ts";
import { randomGraph } from "../support/random-graph.ts";
import { hasShared, readShared } from "../support/shared.ts";
import {
  expectedLog,
  hasMake,
  isInstalled,
  make,
  projectFolder,
  readLog,
  sampleOf,
} from "./export-project.ts";

const write = projectFolder();

const modelFile = "small.tflite";
const small = compileTflite(smallModel(), modelFile);
const smallInput = Int8Array.from({ length: 32 }, (_, i) => 29 * i + 5);

function exported(image: Uint8Array, options: Partial<ExportOptions> = {}): Project {
  return exportProject(image, { modelFile, withoutCompiler: true, ...options });
}

/** Random graphs with several inputs and outputs that have, among them, every kernel and every type at the edge. */
const SEEDS = [18, 168, 341];

function randomCase(seed: number) {
  const { graph, inputs } = randomGraph(seed);
  return { image: compileGraph(graph), inputs };
}

const text = (project: Project, path: string) => String(project.files.get(path));
const sourcesOf = (project: Project) => [...project.files].filter(([path]) => /\.[chS]$/.test(path));

describe("the files", () => {
  it("are those that the model needs, and whole", () => {
    const project = exported(small);
    expect(project.kernels).toEqual(["conv_s8", "fully_connected_s8", "softmax_s8"]);
    const kernels = [...project.files.keys()].filter((path) => path.startsWith("thumbnet/kernels/"));
    expect(kernels.sort()).toEqual(project.kernels.map((kernel) => `thumbnet/kernels/${kernel}.c`));
    expect(text(project, "thumbnet/kernels.c").match(/\[\w+\] = \w+/g)).toEqual([
      "[CONV_S8] = conv_s8",
      "[FULLY_CONNECTED_S8] = fully_connected_s8",
      "[SOFTMAX_S8] = softmax_s8",
    ]);
    expect(project.files.has("thumbnet/support/broadcast.c")).toBe(false);
    expect(project.files.has("thumbnet/support/gemm.c")).toBe(true);
    const paths = ["", "thumbnet/", "targets/rp2040/"];
    for (const [path, content] of sourcesOf(project)) {
      for (const [, included] of String(content).matchAll(/#include "([^"]+)"/g)) {
        const found = [`${dirname(path)}/`, ...paths].some((p) => project.files.has(join(p, included!)));
        expect(found, `${path} includes ${included}`).toBe(true);
      }
    }
    expect(text(project, "LICENSE")).toContain("MIT License");
  });

  it("are the same each time, and know nothing of this machine", () => {
    const sample = { name: "in", bytes: new Uint8Array(smallInput.buffer) };
    const options = { sample, withoutCompiler: false };
    const [first, second] = [exported(small, options), exported(small, options)];
    expect([...second.files]).toEqual([...first.files]);
    for (const [path, content] of first.files) {
      for (const place of [FIRMWARE, process.cwd(), tmpdir(), homedir()]) {
        expect(Buffer.from(content).includes(place), `${path} holds ${place}`).toBe(false);
      }
    }
  });

  it("hold the image, and macros of every input and output", () => {
    const { image } = randomCase(SEEDS[0]!);
    const project = exported(image, { name: "net" });
    const array = /image\[.*?\{\n([^}]*)\}/s.exec(text(project, "net.c"))![1]!;
    expect(Uint8Array.from(array.match(/\d+/g)!, Number)).toEqual(image);
    const { inputs, outputs } = readImage(image);
    for (const [role, ports] of [
      ["INPUT", inputs],
      ["OUTPUT", outputs],
    ] as const) {
      ports.forEach(({ tensor: { bytes, scale, zeroPoint } }, i) => {
        const prefix = `NET_${role}${ports.length === 1 ? "" : `_${i}`}`;
        const value = (what: string) =>
          new RegExp(`^#define ${prefix}_${what} \\(?([^\\s)]+?)[fu]?\\)?$`, "m").exec(
            text(project, "net.h"),
          )?.[1];
        expect(Number(value("BYTES"))).toBe(bytes);
        expect(Math.fround(Number(value("SCALE")))).toBe(scale);
        expect(Number(value("ZERO_POINT"))).toBe(zeroPoint);
      });
    }
  });

  it("of a program in RAM have no second stage of the boot", () => {
    const [flash, ram] = [exported(small), exported(small, { resident: "ram" })];
    expect([flash, ram].map(({ files }) => files.has("targets/rp2040/boot2.S"))).toEqual([true, false]);
    expect([flash, ram].map(({ files }) => files.has("targets/rp2040/ram.ld"))).toEqual([false, true]);
    expect(ram.memory.flash).toBe(0);
    expect(ram.memory.ram).toBeGreaterThan(flash.memory.ram + small.length);
  });
});

describe.skipIf(!hasMake)("built for this machine", () => {
  it("is what has every kernel and every type of input and output", () => {
    const images = SEEDS.map((seed) => randomCase(seed).image);
    expect(new Set(images.flatMap((image) => exported(image).kernels))).toEqual(
      new Set(Object.keys(KERNELS)),
    );
    const types = (role: "inputs" | "outputs") =>
      new Set(images.flatMap((image) => readImage(image)[role].map(({ tensor }) => tensor.dtype)));
    for (const role of ["inputs", "outputs"] as const) {
      expect(types(role)).toEqual(new Set(["int8", "uint8", "float32"]));
    }
  });

  it.each(SEEDS)("random graph %i logs what WebAssembly gives", async (seed) => {
    const { image, inputs } = randomCase(seed);
    const path = write(exported(image, { sample: sampleOf(image, inputs) }));
    const expected = await expectedLog(image, inputs);
    for (const compiler of ["gcc", "clang"].filter(isInstalled)) {
      make(path, "clean");
      expect(readLog(make(path, "host", `CC=${compiler}`)), compiler).toEqual(expected);
    }
  });

  it("the sample is zeros where none is given; sample.bin is what verify takes", async () => {
    const project = exported(small);
    const zeros = new Int8Array(32);
    expect(readLog(make(write(project), "host"))).toEqual(await expectedLog(small, [zeros]));
    expect(project.files.get("sample.bin")).toEqual(new Uint8Array(32));
  });

  it.each([
    ["net", SEEDS[0]!],
    ["a1", SEEDS[1]!],
    ["model", null],
  ])("the calls of %s run a network, and again (random graph %s)", async (name, seed) => {
    const { image, inputs } = seed === null ? { image: small, inputs: [smallInput] } : randomCase(seed);
    const path = write(exported(image, { name, sample: sampleOf(image, inputs) }));
    const [first, ...others] = (await expectedLog(image, inputs)).outputs;
    const load = inputs.map((_, i) => {
      const [index, macro] = inputs.length === 1 ? ["", ""] : [i, `_${i}`];
      const bytes = `${name.toUpperCase()}_INPUT${macro}_BYTES`;
      return `memcpy(${name}_input(${index}), from, ${bytes}); from += ${bytes};`;
    });
    const more = others.map((output, i) => `print(${name}_output(${i + 1}), ${output.length});`);
    writeFileSync(
      join(path, "main.c"),
      `#include <stdio.h>
#include <string.h>
#include "${name}.h"
#include "sample.h"
static void print(const int8_t *output, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i++) printf("%d ", (uint8_t)output[i]);
}
int main(void) {
  if (${name}_init() != 0) return 1;
  for (int run = 0; run < 2; run++) {
    const int8_t *from = sample;
    ${load.join("\n    ")}
    print(${name}_run(), ${first!.length});
    ${more.join("\n    ")}
  }
  return 0;
}
`,
    );
    const once = [first!, ...others].flat();
    expect(make(path, "host").trim().split(" ").map(Number)).toEqual([...once, ...once]);
  });

  it.skipIf(!hasShared)("KWS logs what WebAssembly gives", async () => {
    const image = compileTflite(readShared("models", "mlperf-tiny", "kws_ref_model.tflite"), "kws");
    const inputs = [new Int8Array(readShared("golden", "inputs", "kws_rand.bin").buffer, 0, 490)];
    const path = write(exported(image, { name: "kws", sample: sampleOf(image, inputs) }));
    expect(readLog(make(path, "host"))).toEqual(await expectedLog(image, inputs));
  });

  it("names of a model and its tensors cannot upset C", () => {
    const names = ['a*/b/*c"', "??/", "\\", "\u202e\u00e9\n#error", "/*/", "*/*/"];
    const operator = { kind: "RESHAPE", outputs: [1], options: {} } as const;
    for (const name of names) {
      const tensors = [tensor(name, [1, 4]), tensor(name, [4])];
      const image = compileTflite(tflite("t", tensors, [{ ...operator, inputs: [0] }], [0], [1]), "t");
      const project = exported(image, { modelFile: `${name}.tflite` });
      expect(project.kernels).toEqual([]);
      expect(make(write(project), "host")).toContain("\nend\n");
    }
  });

  it("a compiler that is not there is named, with what to install", () => {
    const path = write(exported(small));
    expect(() => make(path, "host", "CC=absent-cc")).toThrow(/absent-cc is not installed: .*gcc or clang/);
    expect(() => make(path, "pico", "ARM=absent-")).toThrow(
      /absent-gcc is not installed: .*gcc-arm-none-eabi.*make host works without/,
    );
  });
});
