/** The C files that hold a model and its sample. */
import { formatShape } from "../../graph/shape.ts";
import type { Image, ImagePort } from "../../plan/image.ts";
import { formatFloat } from "../../report/table.ts";

/** Values in a line of a C array. */
const PER_LINE = 20;

/** Text of a file or model, such as a tensor's name, so that it can neither end nor upset a C comment. */
export function commentText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, "_")
    .replace(/\/(?=\*)|\*(?=\/)/g, "$& ")
    .replace(/\?(?=\?)/g, "? ");
}

/** `1f` is no C constant, `1.0f` is. */
function floatConstant(value: number): string {
  const text = formatFloat(value);
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}

function arrayLines(values: ArrayLike<number>): string {
  const lines: string[] = [];
  for (let i = 0; i < values.length; i += PER_LINE) {
    lines.push(`    ${Array.prototype.slice.call(values, i, i + PER_LINE).join(",")},\n`);
  }
  return lines.join("");
}

const STORED: Readonly<Record<ImagePort["tensor"]["dtype"], string>> = {
  int8: "",
  uint8: ": cast the pointer to uint8_t",
  float32: ", held as int8",
};

function describePort(role: string, { name, tensor: { shape, dtype } }: ImagePort): string {
  const title = role.charAt(0).toUpperCase() + role.slice(1);
  return `/* ${title} "${commentText(name)}", ${dtype} ${formatShape(shape)}${STORED[dtype]}. */`;
}

function portMacros(prefix: string, role: string, ports: readonly ImagePort[]): string {
  const blocks = ports.map((port, i) => {
    const [title, macro] = ports.length === 1 ? ["", ""] : [` ${i}`, `_${i}`];
    const { bytes, scale, zeroPoint } = port.tensor;
    const define = (what: string, value: string) =>
      `#define ${prefix}_${role.toUpperCase()}${macro}_${what} ${value}\n`;
    return [
      `${describePort(`${role}${title}`, port)}\n`,
      define("BYTES", `${bytes}u`),
      define("SCALE", floatConstant(scale)),
      define("ZERO_POINT", zeroPoint < 0 ? `(${zeroPoint})` : `${zeroPoint}`),
    ].join("");
  });
  return `#define ${prefix}_${role.toUpperCase()}_COUNT ${ports.length}u\n${blocks.join("")}`;
}

/** The calls that take an index have it only where there is something to choose. */
function inputParameters({ inputs }: Image): string {
  return inputs.length === 1 ? "void" : "uint32_t index";
}

export function modelHeader(image: Image, name: string, modelFile: string): string {
  const prefix = name.toUpperCase();
  const guard = `${prefix}_H`;
  const outputs =
    image.exits.length > 0
      ? exitDeclaration(image, name)
      : image.outputs.length === 1
        ? `/* Runs the network once. Returns the output; the next run overwrites it. */
const int8_t *${name}_run(void);
`
        : `/* Runs the network once. Returns output 0; the next run overwrites all outputs. */
const int8_t *${name}_run(void);

/* An output of the last run. */
const int8_t *${name}_output(uint32_t index);
`;
  return `/*
 * ${commentText(modelFile)} as a C program: call ${name}_init once; then, for each run, write the input and call ${name}_run.
 * Not to be called from an interrupt while it runs: there is one arena.
 */
#ifndef ${guard}
#define ${guard}

#include "thumbnet.h"

#define ${prefix}_IMAGE_BYTES ${image.bytes.length}u
/* ${image.arenaBytes} for activations, ${image.scratchBytes} that kernels work in. */
#define ${prefix}_ARENA_BYTES ${image.arenaBytes + image.scratchBytes}u

/* A real value is SCALE * (stored value - ZERO_POINT). */
${portMacros(prefix, "input", image.inputs)}
${portMacros(prefix, "output", image.outputs)}
/* For the functions of thumbnet.h and log.h. */
extern thumbnet_model ${name}_handle;

/* Checks the image. 0 when all is well, else a thumbnet_status: nothing more may be called then. */
int ${name}_init(void);

/* Where to write ${image.inputs.length === 1 ? "the input" : "an input"}, before every run: a run uses it up. */
int8_t *${name}_input(${inputParameters(image)});

${outputs}
#endif
`;
}

function exitDeclaration({ exits, outputs }: Image, name: string): string {
  const prefix = name.toUpperCase();
  const listed = exits.map(({ output }, i) => `${i} "${commentText(outputs[output]!.name)}"`).join(", ");
  return `/* Early exits: ${listed}. */
#define ${prefix}_EXIT_COUNT ${exits.length}u
#define ${prefix}_CLASSES ${exits[0]!.thresholds.length}u

/*
 * Runs the network until an exit is confident, at the latest to its end. Returns the scores of the classes; the next
 * run overwrites them. \`exit\` (may be 0) gets the exit that answered, ${prefix}_EXIT_COUNT for the final output.
 *
 * ${name}_handle.thresholds may point to thresholds of yours, [${prefix}_EXIT_COUNT][${prefix}_CLASSES] in 1/256, 256 for never.
 */
const int8_t *${name}_run(uint32_t *exit);
`;
}

function exitDefinition({ exits, outputs }: Image, name: string): string {
  const byOutput = outputs.map((_, o) => {
    const exit = exits.findIndex(({ output }) => output === o);
    return exit < 0 ? exits.length : exit;
  });
  return `const int8_t *${name}_run(uint32_t *exit) {
  static const uint16_t exit_of_output[${outputs.length}] = {${byOutput.join(", ")}};
  const uint32_t output = thumbnet_run(&${name}_handle, 0, 0);
  if (exit != 0) *exit = exit_of_output[output];
  return thumbnet_output(&${name}_handle, output);
}
`;
}

export function modelSource(image: Image, name: string): string {
  const prefix = name.toUpperCase();
  const index = image.inputs.length === 1 ? "0" : "index";
  const outputs =
    image.outputs.length === 1
      ? ""
      : `
const int8_t *${name}_output(uint32_t index) { return thumbnet_output(&${name}_handle, index); }
`;
  const run = `const int8_t *${name}_run(void) {
  thumbnet_run(&${name}_handle, 0, 0);
  return thumbnet_output(&${name}_handle, 0);
}
`;
  return `#include "${name}.h"

/* Little-endian; the runtime reads words of it. */
static const uint8_t image[${prefix}_IMAGE_BYTES] __attribute__((aligned(4))) = {
${arrayLines(image.bytes)}};

static uint8_t arena[${prefix}_ARENA_BYTES] __attribute__((aligned(4)));

thumbnet_model ${name}_handle;

int ${name}_init(void) { return (int)thumbnet_init(&${name}_handle, image, arena, sizeof arena); }

int8_t *${name}_input(${inputParameters(image)}) { return thumbnet_input(&${name}_handle, ${index}); }

${image.exits.length > 0 ? exitDefinition(image, name) : `${run}${outputs}`}`;
}

export const SAMPLE_HEADER = `/* What main.c runs the network on. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

/* The inputs one after the other, as they lie in the arena; 0: all zeros. */
extern const int8_t *const sample;

#endif
`;

/** @param values the inputs one after the other; null: all zeros, which take no room in flash */
export function sampleSource(values: Int8Array | null): string {
  if (!values) return `#include "sample.h"\n\nconst int8_t *const sample = 0;\n`;
  return `#include "sample.h"

static const int8_t values[${values.length}] = {
${arrayLines(values)}};

const int8_t *const sample = values;
`;
}
