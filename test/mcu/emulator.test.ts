// A model on the emulated chip: same bytes as WebAssembly after every operator, cycles, memory, errors.
import { describe, expect, it } from "vitest";
import { loadModel } from "../../src/index.ts";
import { Chip, FLASH, FLASH_BYTES, RAM } from "../../src/mcu/chip.ts";
import { createEmulator } from "../../src/mcu/emulator.ts";
import { codeBytes, imageKernels, loadFirmware } from "../../src/mcu/firmware.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { crc32 } from "../../src/plan/crc32.ts";
import { readImage } from "../../src/plan/image.ts";
import { CHECKED_FROM, HEADER, recordLayout, structLayout } from "../../src/plan/layout.ts";
import { readStruct, writeStruct } from "../../src/plan/struct.ts";
import { randomGraph, randomOperatorGraph } from "./../support/random-graph.ts";

const HEADER_LAYOUT = structLayout(HEADER);
const SEEDS = 40;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A copy with some fields of the header changed, perhaps longer, and a CRC-32 that matches. */
function altered(image: Uint8Array, header: Record<string, number>, bytes = image.length): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.set(image);
  writeStruct(viewOf(copy), 0, HEADER_LAYOUT, { ...header, imageBytes: bytes });
  writeStruct(viewOf(copy), 0, HEADER_LAYOUT, { crc32: crc32(copy.subarray(CHECKED_FROM)) });
  return copy;
}

function sample(seed = 3) {
  const { graph, inputs } = randomGraph(seed);
  return { image: compileGraph(graph), inputs };
}

/** An image of one convolution, and where its record is. */
function convolution() {
  const { graph, inputs } = randomOperatorGraph("CONV_2D", 7);
  const image = compileGraph(graph);
  const { recordsOffset } = readStruct<typeof HEADER>(viewOf(image), 0, HEADER_LAYOUT);
  expect(imageKernels(image)).toContain("conv_s8");
  return { image, inputs, recordsOffset };
}

describe("bytes", () => {
  it("equal WebAssembly's after every operator, over the whole arena", async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { image, inputs } = sample(seed);
      const model = await loadModel(image, { engine: "scalar" });
      const expected = model.trace(inputs, { arena: true });
      const { operators } = createEmulator(image).run(inputs, { arena: true });
      expect(operators.length).toBe(expected.length);
      for (const [i, { index, name, shape, stored, arena }] of expected.entries()) {
        expect(operators[i], `seed ${seed}, operator ${i}`).toMatchObject({ index, name, shape });
        expect(Buffer.compare(operators[i]!.stored, stored), `seed ${seed}, operator ${i} ${name}`).toBe(0);
        expect(Buffer.compare(operators[i]!.arena!, arena!), `seed ${seed}, arena after ${i}`).toBe(0);
      }
    }
  });

  it("are the same for the same input, whatever ran before, and whichever model", () => {
    const [one, other] = [sample(5), sample(6)];
    const [first, second] = [createEmulator(one.image), createEmulator(other.image)];
    const expected = first.run(one.inputs, { arena: true });
    expect(first.run(one.inputs, { arena: true })).toEqual(expected);
    second.run(other.inputs);
    expect(first.run(one.inputs, { arena: true })).toEqual(expected);
  });

  it("and cycles are the same with the image in RAM", () => {
    const { image, inputs } = sample();
    const expected = createEmulator(image).run(inputs, { arena: true });
    expect(createEmulator(image, { imageIn: "ram" }).run(inputs, { arena: true })).toEqual(expected);
  });

  it("of the outputs are those of WebAssembly", async () => {
    const { image, inputs } = sample(11);
    const model = await loadModel(image);
    expect(createEmulator(image).run(inputs).outputs).toEqual(model.runAll(inputs));
  });
});

describe("cycles", () => {
  /** Cycles of one run without stops, by hand. */
  function cyclesWithoutStops(image: Uint8Array, inputs: readonly Int8Array[]): number {
    const firmware = loadFirmware();
    const { mailbox, vectors, bss_end } = firmware.symbols;
    const { arenaBytes, scratchBytes, inputs: ports } = readImage(image);
    const chip = new Chip();
    chip.program(firmware.code);
    chip.flash.set(image, firmware.image_address - FLASH);
    chip.start(vectors);
    chip.resume(1e6);
    [firmware.image_address, bss_end, arenaBytes + scratchBytes, 0].forEach((value, i) => {
      chip.writeWord(mailbox + 4 * i, value);
    });
    chip.resume(1e8);
    inputs.forEach((data, i) => {
      chip.ram.set(new Uint8Array(data.buffer), bss_end - RAM + ports[i]!.tensor.offset);
    });
    const start = chip.cycles;
    chip.resume(1e9);
    return chip.cycles - start;
  }

  it("of all operators add up to a run without stops", () => {
    let compared = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const { image, inputs } = sample(seed);
      if (!inputs.every((data) => data instanceof Int8Array)) continue;
      const run = createEmulator(image).run(inputs);
      const operators = run.operators.reduce((sum, { cycles }) => sum + cycles, 0);
      expect(run.cycles, `seed ${seed}`).toBe(cyclesWithoutStops(image, inputs));
      expect(run.cycles - operators, `seed ${seed}`).toBeLessThan(100 + 40 * run.operators.length);
      compared++;
    }
    expect(compared).toBeGreaterThan(SEEDS / 2);
  });

  it("of operators that only rename are 0", () => {
    const { graph, inputs } = randomOperatorGraph("RESHAPE", 1);
    const { operators } = createEmulator(compileGraph(graph)).run(inputs);
    expect(operators.find(({ name }) => name === "RESHAPE")).toMatchObject({ cycles: 0 });
  });

  it("of a convolution are between 5 and 100 a multiplication", () => {
    const { image, inputs, recordsOffset } = convolution();
    const record = readStruct(viewOf(image), recordsOffset, recordLayout("conv_s8")) as Record<
      string,
      number
    >;
    const { outputHeight, outputWidth, outputChannels, kernelHeight, kernelWidth, inputChannels, groups } =
      record;
    const outputs = record.batch! * outputHeight! * outputWidth! * outputChannels!;
    const macs = (outputs * kernelHeight! * kernelWidth! * inputChannels!) / groups!;
    const { cycles } = createEmulator(image).run(inputs).operators[0]!;
    expect(cycles / macs).toBeGreaterThan(5);
    expect(cycles / macs).toBeLessThan(100);
  });
});

describe("memory", () => {
  it("is what the image says and the firmware takes", () => {
    const { image, inputs } = sample();
    const emulator = createEmulator(image);
    const firmware = loadFirmware();
    const { arenaBytes, scratchBytes } = readImage(image);
    expect(emulator.memory).toEqual({
      arena: arenaBytes,
      scratch: scratchBytes,
      static: firmware.ram_bytes,
      code: codeBytes(firmware, imageKernels(image)),
      image: image.length,
    });
    const { stackBytes } = emulator.run(inputs);
    expect(stackBytes % 4).toBe(0);
    expect(stackBytes).toBeGreaterThan(50);
    expect(stackBytes).toBeLessThan(firmware.symbols.stack_bytes);
  });

  it("of the code counts what the kernels use, each part once", () => {
    const firmware = loadFirmware();
    const { objects, bytes } = firmware;
    const pool = objects["kernels/avg_pool_s8.c"]!.flash;
    const both = codeBytes(firmware, ["avg_pool_s8", "mean_s8"]);
    const more = both - codeBytes(firmware, ["mean_s8"]);
    expect(more).toBeGreaterThanOrEqual(pool);
    expect(codeBytes(firmware, ["avg_pool_s8", "avg_pool_s8"])).toBe(codeBytes(firmware, ["avg_pool_s8"]));
    const kernels = Object.keys(objects).flatMap((path) => /^kernels\/(\w+)\.c$/.exec(path)?.[1] ?? []);
    // All of them: the prebuilt firmware, but for its main and functions that it does not call.
    const all = codeBytes(firmware, kernels as Parameters<typeof codeBytes>[1]);
    expect(Math.abs(all - bytes)).toBeLessThan(400);
  });
});

describe("errors", () => {
  it("a model too large for the flash is refused with the figures", () => {
    const image = altered(sample().image, {}, FLASH_BYTES - 60_000);
    expect(() => createEmulator(image, { name: "big" })).toThrow(
      /^big: too large for the flash of an RP2040: 2037152 bytes .*2031616 of 2097152/,
    );
  });

  it("a model too large for the RAM is refused with the figures", () => {
    const { image } = sample();
    const large = altered(image, { arenaBytes: 268_300 });
    expect(() => createEmulator(large, { name: "wide" })).toThrow(
      /^wide: too large for the RAM of an RP2040: 268\d+ bytes \(arena 268300, .* of 270336/,
    );
    expect(() => createEmulator(altered(image, {}, 300_000), { imageIn: "ram" })).toThrow("for the RAM");
  });

  it("a model that just fits runs", () => {
    const { image, inputs } = sample();
    const { bss_end, stack_top, stack_bytes } = loadFirmware().symbols;
    const { scratchBytes } = readImage(image);
    const room = stack_top - stack_bytes - bss_end - scratchBytes;
    const expected = createEmulator(image).run(inputs).outputs;
    expect(createEmulator(altered(image, { arenaBytes: room })).run(inputs).outputs).toEqual(expected);
    expect(() => createEmulator(altered(image, { arenaBytes: room + 4 }))).toThrow("for the RAM");
  });

  it("a stack that grows into the arena is found, to the word", () => {
    const { image, inputs } = sample();
    const firmware = loadFirmware();
    const { bss_end, stack_top } = firmware.symbols;
    const { scratchBytes } = readImage(image);
    const { stackBytes } = createEmulator(image).run(inputs);
    const withRoom = (room: number) => {
      const arenaBytes = stack_top - bss_end - scratchBytes - room;
      const trusting = { ...firmware, symbols: { ...firmware.symbols, stack_bytes: 0 } };
      return createEmulator(altered(image, { arenaBytes }), { firmware: trusting });
    };
    expect(withRoom(stackBytes + 4).run(inputs).stackBytes).toBe(stackBytes);
    expect(() => withRoom(stackBytes).run(inputs)).toThrow("the stack has run into the arena");
  });

  it("a hard fault names the operator, and does not spoil the next run", () => {
    const { image, inputs, recordsOffset } = convolution();
    const broken = image.slice();
    // An operand beyond the arena and the RAM.
    writeStruct(viewOf(broken), recordsOffset, recordLayout("conv_s8"), { input: 0x400000 });
    const emulator = createEmulator(altered(broken, {}), { name: "broken" });
    const fault =
      /^broken: operator 0 \(CONV_2D\) fails on the emulated chip: a (byte|word) is read at 0x204\w+, program counter 0x1000/;
    expect(() => emulator.run(inputs)).toThrow(fault);
    expect(() => emulator.run(inputs)).toThrow(fault);
    expect(createEmulator(image).run(inputs).operators.length).toBe(1);
  });

  it("a store to flash, and a word that is not aligned, are hard faults", () => {
    const { image, inputs, recordsOffset } = convolution();
    const broken = (fields: Record<string, number>) => {
      const copy = image.slice();
      writeStruct(viewOf(copy), recordsOffset, recordLayout("conv_s8"), fields);
      return createEmulator(altered(copy, {}));
    };
    const { requantization } = readStruct(viewOf(image), recordsOffset, recordLayout("conv_s8")) as {
      requantization: number;
    };
    // An offset from the arena that wraps around to the flash.
    expect(() => broken({ output: 0xf0000000 }).run(inputs)).toThrow(/ (is|are) written at 0x10000/);
    expect(() => broken({ requantization: requantization + 2 }).run(inputs)).toThrow("a word is read at");
  });

  it("a run past its cycles is stopped, and names the operator", () => {
    const { image, inputs } = convolution();
    const { cycles } = createEmulator(image).run(inputs);
    const enough = createEmulator(image, { maxCycles: cycles + 1000 });
    expect(enough.run(inputs).cycles).toBe(cycles);
    const short = createEmulator(image, { maxCycles: 1000 });
    expect(() => short.run(inputs)).toThrow(/operator 0 \(CONV_2D\) fails .* no end after 1000 cycles/);
  });

  it("an observer's error comes through, and the next run is whole", () => {
    const { image, inputs } = sample();
    const emulator = createEmulator(image);
    const expected = emulator.run(inputs);
    const onOperator = () => {
      throw new Error("enough");
    };
    expect(() => emulator.run(inputs, { onOperator })).toThrow("enough");
    expect(emulator.run(inputs)).toEqual(expected);
  });

  it("a firmware for another image version is named as such", () => {
    const { image, inputs } = sample();
    const firmware = loadFirmware();
    // Where the code compares the magic number.
    const magic = Buffer.from(firmware.code).indexOf("TNET");
    expect(magic).toBeGreaterThan(0);
    const code = firmware.code.slice();
    code[magic]! ^= 1;
    const emulator = createEmulator(image, { firmware: { ...firmware, code } });
    expect(() => emulator.run(inputs)).toThrow("refused by the chip: it is no image");
  });

  it("inputs that do not fit are named", () => {
    const { image, inputs } = sample();
    const emulator = createEmulator(image, { name: "m" });
    expect(() => emulator.run([])).toThrow(`m: the model takes ${inputs.length} inputs, 0 were given`);
    expect(() => emulator.run(inputs.map(() => new Int8Array(1)))).toThrow(/takes \d+ elements|takes uint8/);
  });

  it("a damaged image is refused", () => {
    const { image } = sample();
    const damaged = image.slice();
    damaged[damaged.length - 1]! ^= 1;
    expect(() => createEmulator(damaged)).toThrow("damaged");
  });

  it("a firmware that is not there says how to build it", () => {
    expect(() => loadFirmware("nowhere")).toThrow(/nowhere: .*npm run firmware/);
  });
});
