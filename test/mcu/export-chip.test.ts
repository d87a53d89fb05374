// Exported projects as programs for the RP2040: their sizes, and what they send over the serial port.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportProject, type Project } from "../../src/mcu/export.ts";
import { compileGraph, compileTflite } from "../../src/plan/compile.ts";
import { smallModel } from "../cli/cli.ts";
import { randomGraph } from "../support/random-graph.ts";
import { hasShared, readShared } from "../support/shared.ts";
import {
  expectedLog,
  hasArm,
  make,
  projectFolder,
  readLog,
  readUf2,
  runOnChip,
  sampleOf,
} from "./export-project.ts";

const write = projectFolder();
const ADDRESS = { flash: 0x10000000, ram: 0x20000000 } as const;
const RESIDENT = ["flash", "ram"] as const;

const reference = (name: string) =>
  compileTflite(readShared("models", "mlperf-tiny", `${name}.tflite`), name);
const programBytes = ({ memory }: Project) => memory.image + memory.sample + memory.code;
const readmeOf = ({ files }: Project) => String(files.get("README.md"));

/** The bytes of the program, built; `make size` and the UF2 file must agree with them. */
function build(project: Project): Uint8Array {
  const path = write(project);
  make(path, "pico");
  const bin = new Uint8Array(readFileSync(join(path, "build/pico.bin")));
  const [text, data, bss] = make(path, "size").trim().split("\n").at(-1)!.trim().split(/\s+/).map(Number);
  expect(text! + data!).toBe(bin.length);
  const { memory } = project;
  expect(data! + bss!).toBe(memory.arena + memory.scratch + memory.static);
  const uf2 = readUf2(join(path, "build/pico.uf2"));
  expect(uf2.address).toBe(ADDRESS[project.resident]);
  expect(uf2.bytes.subarray(0, bin.length)).toEqual(Buffer.from(bin));
  expect(uf2.bytes.subarray(bin.length).every((byte) => byte === 0)).toBe(true);
  expect(uf2.bytes.length - bin.length).toBeLessThan(256);
  return bin;
}

describe("figures without a compiler", () => {
  const options = { modelFile: "small.tflite", withoutCompiler: true };

  it("come from the prebuilt firmware, and the README says so", () => {
    const image = compileTflite(smallModel(), "small.tflite");
    const project = exportProject(image, options);
    expect(project.figures.isBuilt).toBe(false);
    expect(readmeOf(project)).toContain("there was no Arm compiler when this folder was made");
    expect(readmeOf(project)).toContain(`**${programBytes(project).toLocaleString("en")}**`);
    expect(project.memory.image).toBe(image.length);
  });

  it.skipIf(!hasArm).each([18, 168, 341])("are no less than those of a build (random graph %i)", (seed) => {
    const image = compileGraph(randomGraph(seed).graph);
    for (const resident of RESIDENT) {
      const built = exportProject(image, { ...options, resident, withoutCompiler: false });
      const estimate = exportProject(image, { ...options, resident });
      expect(programBytes(estimate)).toBeGreaterThanOrEqual(programBytes(built));
      expect(programBytes(estimate) - programBytes(built)).toBeLessThan(1024);
      expect(estimate.memory.static).toBe(built.memory.static);
    }
  });
});

describe.skipIf(!hasArm)("on the chip", () => {
  async function check(
    image: Uint8Array,
    inputs: Parameters<typeof expectedLog>[1],
    resident: "flash" | "ram",
  ): Promise<void> {
    const project = exportProject(image, { modelFile: "model", resident, sample: sampleOf(image, inputs) });
    const program = build(project);
    expect(project.figures.isBuilt).toBe(true);
    expect(program).toHaveLength(programBytes(project));
    expect(project.figures.parts.every(({ code, ram }) => code >= 0 && ram >= 0)).toBe(true);
    expect(readmeOf(project)).toContain(`**${program.length.toLocaleString("en")}**`);
    const { text, stackBytes } = runOnChip(program, ADDRESS[resident]);
    expect(readLog(text)).toEqual(await expectedLog(image, inputs));
    expect(text).toMatch(/^operator 0 crc [0-9a-f]{8} cycles \d+$/m);
    expect(stackBytes).toBeLessThanOrEqual(project.figures.stack);
    expect(project.figures.stack).toBeLessThan(project.memory.stackReserve);
  }

  describe.each(RESIDENT)("a program in %s", (resident) => {
    it.each([18, 168, 341])("logs what WebAssembly gives (random graph %i)", async (seed) => {
      const { graph, inputs } = randomGraph(seed);
      await check(compileGraph(graph), inputs, resident);
    });

    it.skipIf(!hasShared)("logs what WebAssembly gives (KWS)", async () => {
      const inputs = [new Int8Array(readShared("golden", "inputs", "kws_rand.bin").buffer, 490, 490)];
      await check(reference("kws_ref_model"), inputs, resident);
    });
  });

  it.skipIf(!hasShared).each([
    ["kws_ref_model", 50_000],
    ["vww_96_int8", 275_000],
  ])("%s takes at most %i bytes of flash", (name, most) => {
    const project = exportProject(reference(name), { modelFile: name });
    const program = build(project);
    expect(program.length).toBeLessThanOrEqual(most);
    expect(program.length).toBe(project.memory.flash);
  });

  it("an image that is damaged is refused by the program itself", () => {
    const image = compileTflite(smallModel(), "small");
    const program = build(exportProject(image, { modelFile: "small" }));
    const at = Buffer.from(program).indexOf(image.subarray(0, 64));
    program[at + image.length - 1]! ^= 1;
    expect(() => runOnChip(program, ADDRESS.flash)).toThrow("the image is refused, status 3");
  });
});
