#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ThumbnetError } from "../errors.ts";
import { benchCommand } from "./bench.ts";
import { emulateCommand } from "./emulate.ts";
import { evalCommand } from "./eval.ts";
import { exitsCommand } from "./exits.ts";
import { exportCommand } from "./export.ts";
import { fetchCommand } from "./fetch.ts";
import { inspectCommand } from "./inspect.ts";
import { pruneCommand } from "./prune.ts";
import { quantizeCommand } from "./quantize.ts";
import { runCommand } from "./run.ts";
import { traceCommand } from "./trace.ts";
import { trainCommand } from "./train.ts";
import { verifyCommand } from "./verify.ts";

/** Hands settings on, to commands of commands too. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const inner of command.commands) inherit(inner, command);
  return command;
}

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const root = new Command("thumbnet")
    .description("Runs int8 neural networks for microcontrollers, byte for byte as a Cortex-M0 runs them.")
    .version(version)
    .exitOverride()
    .configureHelp({ helpWidth: 110 })
    .configureOutput({
      outputError: (text, write) =>
        write(
          `${text
            .replace(/^error: /, "thumbnet: ")
            .trim()
            .replace(/\s*\n\s*/g, " ")}\n`,
        ),
    });
  for (const create of [
    inspectCommand,
    runCommand,
    evalCommand,
    exportCommand,
    emulateCommand,
    traceCommand,
    verifyCommand,
    trainCommand,
    pruneCommand,
    exitsCommand,
    quantizeCommand,
    fetchCommand,
    benchCommand,
  ]) {
    root.addCommand(inherit(create(), root));
  }
  return root;
}

/** The exit code: 0 for help and version, 2 for a wrong command line, 1 for all else. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const message = error instanceof Error ? error.message : String(error);
  const isExpected = error instanceof ThumbnetError;
  process.stderr.write(`thumbnet: ${isExpected ? "" : "internal error, please report it: "}${message}\n`);
  return 1;
}

// A reader that has seen enough, such as head, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

try {
  await program().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
