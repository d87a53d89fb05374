// A model with early exits, on every command that runs or describes one.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { loadModel } from "../../src/index.ts";
import { buildHost, hostCompiler } from "../../src/mcu/host.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import { exitNetwork } from "../support/exit-network.ts";
import { Random } from "../support/random.ts";
import { temporaryFolder, thumbnet, thumbnetError, thumbnetJson } from "./cli.ts";

const { path, write, fresh } = temporaryFolder();
const FIRMWARE = fileURLToPath(new URL("../../firmware", import.meta.url));

const network = exitNetwork(3, [
  { thresholds: [0.68] },
  { criterion: "margin", thresholds: [0.25, 0.25, 0.5] },
]);
const MODEL = write("exits.tflite", writeTflite(tfliteFromGraph(network)));
const COUNT = 40;
const random = new Random(1);
const rows = Array.from({ length: COUNT }, () =>
  Int8Array.from({ length: 36 }, () => random.integer(-128, 127)),
);
const INPUTS = write("inputs.bin", Uint8Array.from(rows.flatMap((row) => [...row])));
const model = await loadModel(new Uint8Array(readFileSync(MODEL)), { engine: "scalar" });
const answers = rows.map((row) => model.run(row, {}));
const exits = answers.map((answer) => answer.exits[0]!);

/** A confidence of the exit 0 at which inputs just end there. */
const edge = answers.find((answer) => answer.exits[0] === 0)!.confidences[0]!;

it("the inputs end at both exits and at the end", () => {
  expect([0, 1, 2].map((end) => exits.filter((exit) => exit === end).length > 2)).toEqual([true, true, true]);
});

describe("run", () => {
  it("says which exit answered, with its scores and confidence", () => {
    const { results } = thumbnetJson("run", MODEL, INPUTS, "--out", path("out.bin"));
    expect(results.map((r: { exit: number | null }) => r.exit ?? 2)).toEqual(exits);
    expect(results.map((r: { confidence: number }) => r.confidence)).toEqual(
      answers.map((a) => a.confidences[0]),
    );
    expect(results.map((r: { outputs: { values: number[] }[] }) => r.outputs[0]!.values)).toEqual(
      answers.map(({ output }) => [...output]),
    );
    const raw = new Int8Array(new Uint8Array(readFileSync(path("out.bin"))).buffer);
    expect([...raw]).toEqual(answers.flatMap(({ output }) => [...output]));
    expect(thumbnet("run", MODEL, INPUTS).stdout).toMatch(/input +exit +class +score[\s\S]* final /);
  });

  it("takes thresholds: one, or one for each exit", () => {
    const exitsAt = (threshold: string) =>
      thumbnetJson("run", MODEL, INPUTS, "--exit-threshold", threshold).results.map(
        (r: { exit: number | null }) => r.exit ?? 2,
      );
    expect(exitsAt("1")).toEqual(rows.map(() => 2));
    expect(exitsAt("0.01")).toEqual(rows.map(() => 0));
    expect(exitsAt("1,0.004")).toEqual(
      rows.map((row) => model.run(row, { exitThreshold: [1, 0.004] }).exits[0]),
    );
  });

  it.each([
    ["0", "It must be a number above 0, up to 1"],
    ["1.5", "It must be a number above 0, up to 1"],
    ["0.5,,0.5", "It must be a number above 0, up to 1"],
    ["0.5,0.5,0.5", "exits.tflite: 3 exit thresholds were given, the model has 2 exits"],
  ])("refuses the thresholds %s", (threshold, message) => {
    for (const command of ["run", "emulate", "verify"]) {
      expect(thumbnetError(command, MODEL, INPUTS, "--exit-threshold", threshold)).toContain(message);
    }
  });

  it("refuses a threshold for a model without exits", () => {
    const plain = write("plain.tflite", writeTflite(tfliteFromGraph({ ...network, exits: [] })));
    expect(thumbnetError("run", plain, INPUTS, "--exit-threshold", "0.5")).toContain(
      "an exit threshold was given, the model has no exits",
    );
    expect(thumbnetError("verify", plain, INPUTS, "--exit-threshold", "0.5")).toContain("has no exits");
  });

  it("refuses a file whose metadata name no output", () => {
    const tflite = readTflite(new Uint8Array(readFileSync(MODEL)));
    const buffer = tflite.buffers![tflite.metadata![0]!.buffer]!;
    buffer.data = new TextEncoder().encode(new TextDecoder().decode(buffer.data!).replace("exit1", "block"));
    const broken = write("broken.tflite", writeTflite(tflite));
    for (const command of [
      ["run", broken, INPUTS],
      ["inspect", broken],
    ]) {
      expect(thumbnetError(...command)).toContain('exit 1 the tensor "block", which is no output');
    }
  });
});

describe("eval", () => {
  const folder = fresh();
  for (const [i, row] of rows.entries()) writeFileSync(`${folder}/${i}.bin`, row);
  const labels = rows.map((_, i) => i % 3);
  writeFileSync(`${folder}/y_labels.csv`, labels.map((label, i) => `${i}.bin,3,${label}\n`).join(""));

  it("reports accuracy, exit rates, and mean and worst cost", () => {
    const { correct, exits: found } = thumbnetJson("eval", MODEL, folder);
    const top = answers.map(({ output }) => output.indexOf(Math.max(...output)));
    const right = (i: number) => top[i] === labels[i];
    expect(correct).toBe(rows.filter((_, i) => right(i)).length);
    const { operators } = thumbnetJson("inspect", MODEL);
    const macs = (end: number) =>
      operators.slice(0, [4, 8, 12][end]).reduce((sum: number, op: { macs: number }) => sum + op.macs, 0);
    [0, 1, 2].forEach((end) => {
      const own = [...rows.keys()].filter((i) => exits[i] === end);
      expect(found.ends[end]).toMatchObject({
        exit: end === 2 ? null : end,
        inputs: own.length,
        correct: own.filter(right).length,
        macs: macs(end),
      });
    });
    expect(found.mean.macs).toBeCloseTo(exits.reduce((sum, end) => sum + macs(end), 0) / COUNT, 6);
    expect(found.worst.macs).toBe(macs(2));
    expect(found.mean.cycles).toBeLessThan(found.worst.cycles);
    expect(found.mean.microjoules / found.mean.cycles).toBeCloseTo(0.00066, 6);
    const { stdout } = thumbnet("eval", MODEL, folder);
    expect(stdout).toMatch(
      /exit 0 "exit0" +\d+[\s\S]*the end[\s\S]*an input on average \(\d+\.\d % of the end's\)[\s\S]*at worst[\s\S]*proxy/,
    );
  });

  it("takes a threshold", () => {
    const { exits: found } = thumbnetJson("eval", MODEL, folder, "--exit-threshold", "1");
    expect(found.ends.map(({ inputs }: { inputs: number }) => inputs)).toEqual([0, 0, COUNT]);
    expect(found.mean).toEqual(found.worst);
  });
});

describe("inspect, trace and emulate", () => {
  it("inspect lists exits with what an input costs that ends there", () => {
    const { exits: found, macs, operators } = thumbnetJson("inspect", MODEL);
    expect(found).toMatchObject([
      {
        name: "exit0",
        output: 1,
        criterion: "top",
        operators: 4,
        thresholds: [175, 175, 175].map((t) => t / 256),
      },
      { name: "exit1", output: 2, criterion: "margin", operators: 8, thresholds: [0.25, 0.25, 0.5] },
    ]);
    expect(found[0].macs).toBe(operators[0].macs + operators[2].macs);
    expect(found[1].macs).toBeLessThan(macs);
    expect(found[0].cycles).toBeGreaterThan(0);
    expect(found[0].live_bytes).toBeLessThanOrEqual(found[1].live_bytes);
    expect(thumbnet("inspect", MODEL).stdout).toMatch(/0 +exit0 +top +0\.6836 +4 [\s\S]*\nfinal +final /);
  });

  it("trace runs everything and shows what each exit decides", () => {
    const { operators } = thumbnetJson("trace", MODEL, INPUTS, "--index", `${exits.indexOf(0)}`);
    expect(operators).toHaveLength(12);
    expect(operators[3].exit).toMatchObject({ index: 0, confidence: edge, answers: true });
    expect(operators[7].exit).toMatchObject({ index: 1 });
    expect(operators[0].exit).toBeNull();
    expect(thumbnet("trace", MODEL, INPUTS).stdout).toContain("early exit");
  });

  it("emulate tells for each input its exit and cycles", () => {
    const { results, operators, cycles } = thumbnetJson("emulate", MODEL, INPUTS);
    expect(results.map((r: { exit: number | null }) => r.exit ?? 2)).toEqual(exits);
    const cyclesOf = (end: number) =>
      results.filter((_: unknown, i: number) => exits[i] === end).map((r: { cycles: number }) => r.cycles);
    expect(Math.max(...cyclesOf(0))).toBeLessThan(Math.min(...cyclesOf(1)));
    expect(Math.max(...cyclesOf(1))).toBeLessThan(Math.min(...cyclesOf(2)));
    expect(operators.map((op: { runs: number }) => op.runs)).toEqual([
      ...Array(4).fill(COUNT),
      ...Array(4).fill(exits.filter((exit) => exit > 0).length),
      ...Array(4).fill(exits.filter((exit) => exit > 1).length),
    ]);
    const never = thumbnetJson("emulate", MODEL, INPUTS, "--exit-threshold", "1");
    expect(never.cycles.mean).toBeGreaterThan(cycles.mean);
    expect(thumbnet("emulate", MODEL, INPUTS).stdout).toMatch(
      /MACs +inputs +mean cycles[\s\S]*input +exit +class/,
    );
  });
});

describe("verify", () => {
  it("finds all implementations equal, at the threshold too", () => {
    for (const threshold of [[], ["--exit-threshold", `${edge},1`]]) {
      const { equal, compared } = thumbnetJson("verify", MODEL, INPUTS, ...threshold);
      expect(equal).toBe(true);
      if (threshold.length > 0) continue;
      const ran = exits.reduce((sum, exit) => sum + [4, 8, 12][exit]!, 0);
      for (const { inputs, operators } of compared) expect([inputs, operators]).toEqual([COUNT, ran]);
    }
  });

  it("compares golden outputs with those that answered", () => {
    const golden = answers.flatMap(({ output }) => [...output]);
    expect(
      thumbnet("verify", MODEL, INPUTS, "--golden", write("golden.bin", Uint8Array.from(golden))).code,
    ).toBe(0);
    golden[5] = -golden[5]!;
    const { code, stdout } = thumbnet(
      "verify",
      MODEL,
      INPUTS,
      "--golden",
      write("wrong.bin", Uint8Array.from(golden)),
    );
    expect(code).toBe(1);
    expect(stdout).toContain("input 1, output byte 2");
  });

  it.skipIf(!hostCompiler())("finds a C decision that wants more than the threshold", () => {
    const folder = path("mutant");
    cpSync(FIRMWARE, folder, { recursive: true });
    const file = `${folder}/support/exits.c`;
    const source = readFileSync(file, "utf8");
    expect(source.split("measure >= ")).toHaveLength(2);
    writeFileSync(file, source.replace("measure >= ", "measure > "));
    const on = ["--on", "host", "--firmware", folder, "--exit-threshold", `${edge},1`];
    const { code, stdout } = thumbnet("verify", MODEL, INPUTS, ...on);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        `input ${answers.findIndex(({ confidences }, i) => exits[i] === 0 && confidences[0] === edge)}, operator 3 SOFTMAX .* ` +
          'all bytes are equal, but output "(exit1|final)" answers, expected output "exit0"',
      ),
    );
  });
});

describe.skipIf(!hostCompiler())("verify --log", () => {
  const image = write(
    "exits.tnet",
    compileGraph(graphFromTflite(readTflite(new Uint8Array(readFileSync(MODEL))), "m")),
  );
  const log = () => spawnSync(buildHost(), [image, INPUTS], { encoding: "utf8" }).stdout;
  const verifyLog = (text: string, ...args: string[]) =>
    thumbnet("verify", MODEL, INPUTS, "--log", write("uart.txt", text), ...args);

  it("accepts what the board's program logs, and counts the operators that ran", () => {
    const text = log();
    expect(text.match(/^exit (\d|none) confidence \d+$/gm)).toHaveLength(COUNT);
    const { code, stdout } = verifyLog(text);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/log .* equal/)]);
  });

  it("names another exit, another confidence, and what else does not fit", () => {
    const text = log();
    const first = exits.indexOf(0);
    const runs = text.split(/(?<=^end\n)/m);
    const changed = (from: RegExp, to: string, run = first) =>
      runs.map((one, i) => (i === run ? one.replace(from, to) : one)).join("");
    const found = (content: string) => verifyLog(content).stdout;
    expect(found(changed(/exit 0/, "exit 1"))).toContain("exit 1 answered, expected exit 0");
    expect(found(changed(/exit 0/, "exit none"))).toContain("the final output answered, expected exit 0");
    expect(found(changed(/confidence \d+/, "confidence 7"))).toContain("has the confidence 7/256");
    expect(found(changed(/output 1/, "output 2"))).toContain("the log has output 2 in place of 1");
    const missing = verifyLog(changed(/exit .*\n/, ""));
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringMatching(/line \d+: is garbled|exit that answered/),
    ]);
    // A board with thresholds of its own, which `verify` is told or not.
    const { code, stdout } = verifyLog(text, "--exit-threshold", "1");
    expect([code, stdout]).toEqual([1, expect.stringContaining("expected the final output")]);
  });
});

describe("export", () => {
  it.skipIf(!hostCompiler())("writes a project whose program ends at the exit, and says so", () => {
    const folder = path("project");
    const index = exits.indexOf(0);
    const sample = write("sample.bin", new Uint8Array(rows[index]!.buffer));
    expect(thumbnet("export", MODEL, "--out", folder, "--input", sample).stderr).toBe("");
    expect(readFileSync(`${folder}/README.md`, "utf8")).toMatch(
      /early exits[\s\S]*\| 1 \| margin \| 64 to 128 \| 8 \|/,
    );
    const { stdout, status } = spawnSync("make", ["-s", "-C", folder, "host"], { encoding: "utf8" });
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`operator 3 crc .*\nexit 0 confidence ${edge * 256}\noutput 1 `));

    // A program of one's own: which exit answers, by the file's thresholds and by others in RAM.
    const own = `#include <stdio.h>
#include <string.h>
#include "model.h"
#include "sample.h"
int main(void) {
  static uint16_t thresholds[MODEL_EXIT_COUNT][MODEL_CLASSES] = {{256, 256, 256}, {256, 256, 256}};
  uint32_t exit = 9;
  model_init();
  for (int i = 0; i < 3; i++) {
    memcpy(model_input(), sample, MODEL_INPUT_BYTES);
    model_run(i == 0 ? 0 : &exit);
    printf("%u ", (unsigned)exit);
    model_handle.thresholds = i == 0 ? 0 : &thresholds[0][0];
  }
  thresholds[1][0] = thresholds[1][1] = thresholds[1][2] = 0;
  memcpy(model_input(), sample, MODEL_INPUT_BYTES);
  model_run(&exit);
  printf("%u of %u\\n", (unsigned)exit, (unsigned)thumbnet_exit_count(&model_handle));
}
`;
    writeFileSync(`${folder}/main.c`, own);
    const built = spawnSync("make", ["-s", "-C", folder, "host"], { encoding: "utf8" });
    expect([built.stderr, built.stdout]).toEqual(["", "9 0 2 1 of 2\n"]);
  });

  it("has what decides exits only where there are some", () => {
    mkdirSync(path("plain"), { recursive: true });
    const plain = write("without.tflite", writeTflite(tfliteFromGraph({ ...network, exits: [] })));
    const files = (file: string, out: string): string[] =>
      thumbnetJson("export", file, "--out", path(out)).files;
    expect(files(plain, "plain-project")).not.toContain("thumbnet/support/exits.c");
    expect(files(MODEL, "exit-project")).toContain("thumbnet/support/exits.c");
  });
});
