import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { smallModel, temporaryFolder, thumbnet } from "./cli.ts";

const COMMANDS = ["inspect", "run", "eval", "trace", "export", "emulate", "verify", "bench"];
const { write } = temporaryFolder();
const model = write("small.tflite", smallModel());

test("--version is that of package.json", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(thumbnet("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help names every command", () => {
  const { code, stdout } = thumbnet("--help");
  expect(code).toBe(0);
  for (const command of COMMANDS) expect(stdout).toContain(`  ${command} `);
});

test.each(COMMANDS)("%s has --help and --json", (command) => {
  const { code, stdout } = thumbnet(command, "--help");
  expect(code).toBe(0);
  expect(stdout).toContain("--json");
});

test.each([
  ["no command", []],
  ["an unknown command", ["rnu"]],
  ["a missing argument", ["run"]],
  ["an unknown option", ["inspect", model, "--colour"]],
  ["an unknown engine", ["run", model, "in.bin", "--engine", "gpu"]],
  ["an unknown input type", ["run", model, "in.bin", "--input-type", "int16"]],
  ["an index that is no number", ["trace", model, "in.bin", "--index", "first"]],
  ["a negative index", ["trace", model, "in.bin", "--index", "-1"]],
  ["no time to measure in", ["bench", model, "--time", "0"]],
])("%s is a usage error: exit code 2", (_, args) => {
  const { code, stdout, stderr } = thumbnet(...args);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(args.length === 0 ? /^Usage: thumbnet/ : /^thumbnet: [^\n]+\n$/);
});

test.each(COMMANDS)("%s: a missing model is one line and exit code 1", (command) => {
  const takesModelOnly = command === "inspect" || command === "bench";
  const more = takesModelOnly ? [] : command === "export" ? ["--out", "exported"] : [model];
  const { code, stdout, stderr } = thumbnet(command, "absent.tflite", ...more);
  expect({ code, stdout, stderr }).toEqual({
    code: 1,
    stdout: "",
    stderr: "thumbnet: absent.tflite: no such file or folder\n",
  });
});

test("a model that is a folder, empty, text or cut off is one line and exit code 1", () => {
  const cases = [
    [new URL(".", import.meta.url).pathname, "is a folder, a file is expected"],
    [write("empty.tflite", ""), "is empty"],
    [write("text.tflite", "not a model, just a line of text"), "not a valid TFL3 file"],
    [write("cut.tflite", smallModel().subarray(0, 700)), "cut.tflite: "],
  ] as const;
  for (const [path, message] of cases) {
    const { code, stdout, stderr } = thumbnet("inspect", path);
    expect(stderr).toMatch(/^thumbnet: [^\n]+\n$/);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  }
});
