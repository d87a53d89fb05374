import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { hasShared, sharedPath } from "../support/shared.ts";
import { smallModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
const model = write("small.tflite", smallModel());

test("shows inputs, outputs, operators, costs and memory", () => {
  const { code, stdout, stderr } = thumbnet("inspect", model);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("small.tflite: TensorFlow Lite, ");
  expect(stdout).toMatch(/^input +picture +\[1,4,4,2\] +int8 +0\.05 +-3$/m);
  expect(stdout).toMatch(/^output +scores +\[1,5\] +int8 +0\.00390625 +-128$/m);
  // 16 pixels * 3 channels * 3*3*2; 5 * 48. Live: output of 48 bytes over the input of 32, which begins at 28.
  expect(stdout).toMatch(/^0 +CONV_2D +\[1,4,4,3\] +864 +57 +60 +[\d,]+ +conv_s8$/m);
  expect(stdout).toMatch(/^1 +RESHAPE +\[1,48\] +0 +0 +48 +0 +\(no work\)$/m);
  expect(stdout).toMatch(/^2 +FULLY_CONNECTED +\[1,5\] +240 +245 +53 +[\d,]+ +fully_connected_s8$/m);
  expect(stdout).toMatch(/^ +total +1,104 +302 +[\d,]+$/m);
  expect(stdout).toContain("arena  60 bytes");
  expect(stdout).toContain("set by operator 0 (CONV_2D)");
});

test("the arena map shows every buffer at its address while it is alive", () => {
  const { stdout } = thumbnet("inspect", model);
  const { arena } = thumbnetJson("inspect", model);
  const lines = stdout.split("\n");
  const heading = lines.findIndex((line) => /^ *operator +0 {2}1 {2}2 {2}3$/.test(line));
  const rows = lines.slice(heading + 1, lines.indexOf("", heading));
  // Ranges from the top: their first line bears the address, further ones repeat the picture.
  let from = 0;
  const seen = new Map<string, Set<number>>();
  for (const row of rows.reverse()) {
    const [, start] = /^ *([\d,]+) \.\. /.exec(row) ?? [];
    if (start !== undefined) from = Number(start.replace(",", ""));
    [...row.slice(-12)].forEach((symbol, column) => {
      if (start === undefined || symbol === ".") return;
      if (!seen.has(symbol)) seen.set(symbol, new Set());
      seen.get(symbol)!.add(1000 * Math.floor(column / 3) + from);
    });
  }
  for (const [i, buffer] of arena.buffers.entries()) {
    const cells = [...seen.get("ABCDEF"[i]!)!];
    // Where an output lies on its input, the map shows the output.
    const isOverlaid = arena.buffers.some(({ over }: { over: number[] }) => over.includes(i));
    const lowest = Math.min(...cells.map((cell) => cell % 1000));
    if (isOverlaid) expect(lowest).toBeGreaterThanOrEqual(buffer.offset);
    else expect(lowest).toBe(buffer.offset);
    if (isOverlaid && buffer.first === buffer.last) continue;
    expect([...new Set(cells.map((cell) => Math.floor(cell / 1000)))]).toEqual(
      Array.from({ length: buffer.last - buffer.first + 1 }, (_, step) => buffer.first + step),
    );
  }
  expect(seen.size).toBe(arena.buffers.length);
});

test("--json has the same facts", () => {
  const json = thumbnetJson("inspect", model);
  expect(json).toMatchObject({
    model: "small.tflite",
    format: "tflite",
    runs: true,
    macs: 1104,
    parameters: 302,
    arena_bytes: 60,
    arena: { bytes: 60, bound: 60, peak_operator: 0 },
    inputs: [{ name: "picture", shape: [1, 4, 4, 2], dtype: "int8", zero_point: -3 }],
  });
  expect(json.operators.map(({ name }: { name: string }) => name)).toEqual([
    "CONV_2D",
    "RESHAPE",
    "FULLY_CONNECTED",
    "SOFTMAX",
  ]);
});

test("tells what each aim takes on the chip, and of an image what it was planned for", () => {
  const { chip, arena_bytes, image_bytes, operators } = thumbnetJson("inspect", model, "--clock", "48");
  const { stdout } = thumbnet("inspect", model, "--clock", "48");
  expect(chip.mhz).toBe(48);
  expect(chip.modes.map(({ optimize }: { optimize: string }) => optimize)).toEqual(["speed", "size", "ram"]);
  const [speed] = chip.modes;
  const input = write("chip-input.bin", new Uint8Array(32));
  const emulated = thumbnetJson("emulate", model, input);
  // SOFTMAX depends on the data, and is most of it here.
  expect(speed.cycles / emulated.cycles.mean).toBeGreaterThan(0.5);
  expect(speed.cycles / emulated.cycles.mean).toBeLessThan(2);
  const sum = operators.reduce((total: number, { cycles }: { cycles: number }) => total + cycles, 0);
  expect(speed.cycles).toBeGreaterThan(sum);
  expect(speed.cycles).toBeLessThan(sum + 1000);
  expect(speed.milliseconds).toBe(speed.cycles / 48000);
  expect(speed.flash).toEqual(emulated.flash);
  expect(speed.flash.image).toBe(image_bytes);
  const { stack, ...ram } = speed.ram;
  expect(ram).toEqual({
    ...ram,
    arena: arena_bytes,
    scratch: emulated.ram.scratch,
    static: emulated.ram.static,
  });
  expect(ram.sum).toBe(ram.arena + ram.scratch + ram.static + stack);
  expect(stack).toBeGreaterThanOrEqual(emulated.ram.stack);
  expect(stdout).toContain(`--optimize speed`);
  expect(stdout).toMatch(
    new RegExp(`^--optimize speed +[\\d,]+ +${speed.milliseconds.toPrecision(4)} `, "m"),
  );

  const image = path("ram.tnet");
  expect(thumbnet("inspect", model, "--optimize", "ram", "--image", image).code).toBe(0);
  const { chip: own } = thumbnetJson("inspect", image, "--clock", "48");
  expect(own.modes).toEqual([{ ...chip.modes[2], optimize: null }]);
});

test("--image writes an image that inspects and runs as the model does", () => {
  const image = path("small.tnet");
  expect(thumbnet("inspect", model, "--image", image).code).toBe(0);
  const json = thumbnetJson("inspect", image);
  expect(json).toMatchObject({ format: "image", runs: true, arena_bytes: 60, macs: null });
  expect(json.bytes).toBe(readFileSync(image).length);
  expect(thumbnet("inspect", image).stdout).toMatch(/^2 {2}FULLY_CONNECTED {2}\[1,5\] +[\d,]+$/m);
  const input = write(
    "image-input.bin",
    Uint8Array.from({ length: 64 }, (_, i) => 41 * i),
  );
  expect(thumbnetJson("run", image, input).results).toEqual(thumbnetJson("run", model, input).results);
});

test("an image cannot be plotted or compiled again", () => {
  const image = path("again.tnet");
  thumbnet("inspect", model, "--image", image);
  for (const option of ["--plot", "--image"]) {
    const { code, stderr } = thumbnet("inspect", image, option, path("again.out"));
    expect(code).toBe(1);
    expect(stderr).toContain("need the .tflite");
    expect(existsSync(path("again.out"))).toBe(false);
  }
});

test("a damaged image is refused", () => {
  const image = path("damaged.tnet");
  thumbnet("inspect", model, "--image", image);
  const bytes = readFileSync(image);
  bytes[bytes.length - 3]! ^= 1;
  write("damaged.tnet", bytes);
  expect(thumbnet("inspect", image)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "thumbnet: damaged.tnet: is damaged: the CRC-32 does not match its content\n",
  });
});

test("--plot writes an SVG picture with a rectangle for each buffer, which can be drawn", async () => {
  const plot = path("small.svg");
  expect(thumbnet("inspect", model, "--plot", plot).code).toBe(0);
  const svg = readFileSync(plot, "utf8");
  const { arena } = thumbnetJson("inspect", model);
  const titles = [...svg.matchAll(/<title>(.*?)<\/title>/g)].map(([, title]) => title);
  expect(titles).toEqual(
    arena.buffers.map(
      (b: { written_by: string; bytes: number; offset: number; first: number; last: number }) =>
        `${b.written_by.replaceAll('"', "&quot;")}: ${b.bytes} bytes at ${b.offset}, operators ${b.first} to ${b.last}`,
    ),
  );
  const { default: sharp } = await import("sharp");
  const { channels } = await sharp(plot).stats();
  expect(Math.min(...channels.slice(0, 3).map(({ min }) => min))).toBeLessThan(100);
});

test("a folder that is not there is found before anything is written", () => {
  const target = path("absent/small.svg");
  const { code, stderr } = thumbnet("inspect", model, "--plot", target);
  expect(code).toBe(1);
  expect(stderr).toBe(`thumbnet: ${dirname(target)}: no such file or folder\n`);
});

test("what cannot run is shown all the same, with every problem, and nothing is written", () => {
  const tensors = [
    tensor("a", [1, 4], { dtype: "float32" }),
    tensor("b", [1, 4], { dtype: "float32" }),
    tensor("c", [1, 4], { dtype: "float32" }),
  ];
  const operators = [
    { kind: "RELU", inputs: [0], outputs: [1], options: {} },
    { kind: "LOGISTIC", inputs: [1], outputs: [2], options: {} },
  ] as const;
  const file = write("float.tflite", tflite("float", tensors, [...operators], [0], [2]));
  const { code, stdout, stderr } = thumbnet(
    "inspect",
    file,
    "--plot",
    path("float.svg"),
    "--image",
    path("float.tnet"),
  );
  expect(code).toBe(1);
  expect(stdout).toMatch(/^0 +RELU +\[1,4\]/m);
  expect(stdout).toMatch(/^1 +LOGISTIC +\[1,4\]/m);
  expect(stderr).toMatch(/^thumbnet: float\.tflite: cannot run in int8:\n/);
  expect(stderr).toContain("operator 0 (RELU)");
  expect(stderr).toContain("operator 1 (LOGISTIC)");
  expect(readdirSync(dirname(file)).filter((name) => /^float\.(svg|tnet)/.test(name))).toEqual([]);

  const json = thumbnet("inspect", file, "--json");
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({ runs: false, arena: null, image_bytes: null });
  expect(JSON.parse(json.stdout).problem).toContain("operator 1 (LOGISTIC)");
});

describe.skipIf(!hasShared)("on the reference models", () => {
  const reference = (name: string) => sharedPath("models", "mlperf-tiny", name);

  test.each([
    ["kws_ref_model.tflite", 2_656_768, 22_604],
    ["vww_96_int8.tflite", 7_489_664, 210_850],
    ["pretrainedResnet_quant.tflite", 12_501_632, 77_706],
    ["ad01_int8.tflite", 264_192, 265_864],
  ])("%s: MACs and parameters", (name, macs, parameters) => {
    expect(thumbnetJson("inspect", reference(name))).toMatchObject({ macs, parameters, runs: true });
  });

  test.each([
    "ad01_fp32.tflite",
    "kws_ref_model_float32.tflite",
    "vww_96_float.tflite",
    "pretrainedResnet.tflite",
  ])("%s cannot run; every operator is listed", (name) => {
    const { code, stdout, stderr } = thumbnet("inspect", reference(name), "--json");
    const { runs, operators } = JSON.parse(stdout);
    expect({ code, runs }).toEqual({ code: 1, runs: false });
    for (const { index, name: kind } of operators) expect(stderr).toContain(`operator ${index} (${kind})`);
  });
});
