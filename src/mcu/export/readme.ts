import { formatShape } from "../../graph/shape.ts";
import type { Image, ImagePort } from "../../plan/image.ts";
import type { KernelName } from "../../plan/layout.ts";
import { formatCount, formatFloat, formatPercent } from "../../report/table.ts";
import { FLASH_BYTES, RAM_BYTES } from "../chip.ts";
import type { Memory } from "../export.ts";
import type { Figures } from "./figures.ts";
import { commentText } from "./model.ts";
import type { Resident } from "./sources.ts";

export interface ReadmeContent {
  readonly name: string;
  readonly modelFile: string;
  readonly image: Image;
  readonly kernels: readonly KernelName[];
  readonly resident: Resident;
  readonly figures: Figures;
  readonly memory: Memory;
  readonly sampleFiles: readonly string[];
}

type Row = readonly [what: string, bytes: number];

/** Text of the model as code, so that it cannot be taken for Markdown. */
function code(text: string): string {
  return `\`${commentText(text).replace(/[`|]/g, "_")}\``;
}

function table(title: string, rows: readonly Row[], total: readonly Row[]): string {
  const line = ([what, bytes]: Row) => `| ${what} | ${formatCount(bytes)} |`;
  const emphasised = ([what, bytes]: Row) => `| **${what}** | **${formatCount(bytes)}** |`;
  const shown = rows.filter(([, bytes]) => bytes !== 0);
  return [`| ${title} | bytes |`, "|---|---:|", ...shown.map(line), ...total.map(emphasised)].join("\n");
}

function memoryTables({ name, figures, memory, resident }: ReadmeContent): string {
  const inFlash = resident === "flash";
  const byCode = [...figures.parts].sort((a, b) => b.code - a.code || (a.file < b.file ? -1 : 1));
  const program: Row[] = [
    [`image, in \`${name}.c\``, memory.image],
    ["sample, in `sample.c`", memory.sample],
    ...byCode.map(
      ({ file, code }): Row => [/[./]/.test(file) && !file.includes(" ") ? `\`${file}\`` : file, code],
    ),
  ];
  const data: Row[] = [
    ["arena: activations", memory.arena],
    ["scratch of the kernels", memory.scratch],
    ["other variables", memory.static],
    ["stack: kept free for it, at least", memory.stackReserve],
  ];
  const programBytes = memory.image + memory.sample + memory.code;
  const of = (whole: number, bytes: number) => `of ${formatCount(whole)}, ${formatPercent(bytes / whole)}`;
  const source = figures.isBuilt
    ? `Measured when this folder was made, on the program that \`make pico\` builds, with ${figures.compiler}.`
    : `Added up from the same sources without a model, compiled with ${figures.compiler}: there was no Arm compiler when this folder was made. \`make pico size\` gives the program's own.`;
  const stack = figures.isBuilt
    ? `No chain of calls takes more than ${formatCount(figures.stack)} bytes of the stack.`
    : "";
  return [
    source,
    table(
      inFlash ? "flash" : "program, in RAM",
      program,
      inFlash ? [[`flash (${of(FLASH_BYTES, memory.flash)})`, memory.flash]] : [["program", programBytes]],
    ),
    table("RAM", inFlash ? data : [["program", programBytes], ...data], [
      [`RAM (${of(RAM_BYTES, memory.ram)})`, memory.ram],
    ]),
    stack,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function ports(role: string, all: readonly ImagePort[]): string[] {
  return all.map(({ name, tensor: { shape, dtype, bytes, scale, zeroPoint } }, i) => {
    const title = all.length === 1 ? role : `${role} ${i}`;
    const cells = [
      title,
      code(name),
      formatShape(shape),
      dtype,
      formatCount(bytes),
      formatFloat(scale),
      zeroPoint,
    ];
    return `| ${cells.join(" | ")} |`;
  });
}

function usage({ name, image: { inputs, outputs, exits } }: ReadmeContent): string {
  const write = inputs.map((_, i) => {
    const [index, macro] = inputs.length === 1 ? ["", ""] : [`${i}`, `_${i}`];
    return `memcpy(${name}_input(${index}), samples${index}, ${name.toUpperCase()}_INPUT${macro}_BYTES);`;
  });
  const early = [
    "uint32_t exit;",
    `const int8_t *scores = ${name}_run(&exit); /* of whichever exit answered */`,
  ];
  const all = outputs.map((_, i) =>
    i === 0
      ? `const int8_t *output${outputs.length === 1 ? "" : "0"} = ${name}_run();`
      : `const int8_t *output${i} = ${name}_output(${i});`,
  );
  return [
    "```c",
    `#include "${name}.h"`,
    "",
    `if (${name}_init() != 0) ...; /* once */`,
    ...write,
    ...(exits.length > 0 ? early : all),
    "```",
    "",
    `A run uses up ${inputs.length === 1 ? "its input: write it" : "its inputs: write all of them"} before each. A real value is scale * (stored value - zero point);`,
    `\`${name}.h\` has both as macros. \`thumbnet/thumbnet.h\` is the general interface: several models, an arena of your own,`,
    "a call after every operator. Take `thumbnet/` and the model's two files into your own build, with `thumbnet/` in the",
    "include path; the rest is the example.",
    ...(exits.length > 0 ? [exitText(name, exits)] : []),
  ].join("\n");
}

function exitText(name: string, exits: Image["exits"]): string {
  const rows = exits.map(({ criterion, thresholds, operatorEnd }, i) => {
    const [least, most] = [Math.min(...thresholds), Math.max(...thresholds)];
    return `| ${i} | ${criterion} | ${least === most ? least : `${least} to ${most}`} | ${operatorEnd} |`;
  });
  return `
The network has early exits: where one is confident, what comes behind it does not run.

| exit | criterion | threshold, in 1/256 | decided after so many operators |
|---:|---|---:|---:|
${rows.join("\n")}

\`${name}_handle.thresholds\` may point to a table of your own; set it after \`${name}_init\`.`;
}

const FLASHING: Readonly<Record<Resident, string>> = {
  flash: `Hold BOOTSEL while you plug the Pico in, and copy \`build/pico.uf2\` to the drive that appears. The program starts at
once, and whenever the Pico has power. With a debug probe, load \`build/pico.elf\`.`,
  ram: `The whole program lies in RAM: the flash stays as it is, and the program is gone when the power is. Hold BOOTSEL while
you plug the Pico in, and copy \`build/pico.uf2\` to the drive that appears: it starts at once. With a debug probe, load
\`build/pico.elf\`.`,
};

/** `README.md` of a project. */
export function readme(content: ReadmeContent): string {
  const { name, modelFile, image, kernels, resident, sampleFiles } = content;
  const model = /^[\w.-]+$/.test(modelFile) ? modelFile : `'${commentText(modelFile).replace(/[`']/g, "_")}'`;
  return `# ${code(modelFile)} for a microcontroller

The int8 network of ${code(modelFile)} as C99 for a Cortex-M0 or M0+, with an example for the Raspberry Pi Pico (RP2040).
No heap, no float, no library but \`memcpy\` and \`memset\`. It gives the same bytes on the chip and on a computer.
Made by thumbnet, with \`thumbnet export\`.

| | name | shape | type | bytes | scale | zero point |
|---|---|---|---|---:|---:|---:|
${[...ports("input", image.inputs), ...ports("output", image.outputs)].join("\n")}

## Files

- \`${name}.c\`, \`${name}.h\`: the network, ${formatCount(image.bytes.length)} bytes with weights and plan, and its calls
- \`thumbnet/\`: the runtime, and the kernels that the network needs${kernels.length > 0 ? `: ${kernels.join(", ")}` : " (none)"}
- \`main.c\`: runs the network once on \`sample.c\` and logs every operator
- \`targets/\`: start-up code, serial port and cycle counter of the Pico; what stands for them on a computer
- \`Makefile\`, \`tools/\`: what builds all this
- ${sampleFiles.map((file) => `\`${file}\``).join(", ")}: the sample again, for \`thumbnet verify\`

## Build

\`\`\`sh
make host    # builds build/host with the computer's C compiler, and runs it
make pico    # builds build/pico.elf, .bin and .uf2 with arm-none-eabi-gcc
make size    # shows what the program takes, by file
\`\`\`

GNU make and a C compiler (gcc or clang); for the Pico the Arm GNU toolchain as well (Debian, Ubuntu:
\`apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi\`).

## Run it on a Pico, and check it

${FLASHING[resident]}

The log comes out of UART0 at 115200 baud, 8 data bits, no parity, 1 stop bit: connect GP0 (pin 1) to RX and GND
(pin 3) to GND of a 3.3 V serial adapter. Listen before you start the program, and keep what comes in a file:

\`\`\`sh
stty -F /dev/ttyUSB0 115200 raw && tee uart.txt < /dev/ttyUSB0
thumbnet verify ${model} ${sampleFiles.join(" ")} --log uart.txt
\`\`\`

\`verify\` compares the CRC-32 of every operator's output with what the network must give, and names the first operator
that differs. \`cycles\` are the chip's, for each operator.

## In your own program

${usage(content)}

## Memory

${memoryTables(content)}

## Licence

The code is thumbnet's, under the MIT licence in \`LICENSE\`. The network has the licence that its authors gave it.
`;
}
