import type { FieldType, StructLayout } from "./layout.ts";
import {
  CHECKED_FROM,
  CRITERIA,
  EXIT,
  HEADER,
  KERNELS,
  type KernelName,
  MAGIC,
  NEVER_WHOLE,
  OPERATOR,
  PORT,
  RECORD_BYTES,
  REQUANTIZATION,
  REQUANTIZATION_FORMS,
  recordLayout,
  structLayout,
  TENSOR,
  VERSION,
} from "./layout.ts";

const ASSEMBLY_TYPES: Record<FieldType, string> = {
  u8: "u8",
  i8: "i8",
  u16: "u16",
  i16: "i16",
  u32: "u32",
  i32: "i32",
  f32: "f32",
  operand: "u32",
  constant: "u32",
};

/** `conv_s8` -> `ConvS8Record` */
function className(kernel: string): string {
  const camel = kernel.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
  return `${camel}Record`;
}

function assemblyClass(name: string, layout: StructLayout): string {
  const fields = layout.fields.map((f) => `  ${f.name}: ${ASSEMBLY_TYPES[f.type]};`);
  return `// @ts-ignore: decorator\n@unmanaged\nexport class ${name} {\n${fields.join("\n")}\n}\n`;
}

/** The AssemblyScript source that mirrors the layout tables: constants and one unmanaged class a record. */
export function assemblySource(): string {
  const names = Object.keys(KERNELS) as KernelName[];
  const opcodes = names.map((n) => `export const ${n.toUpperCase()}: u8 = ${KERNELS[n].opcode};`);
  const classes = names.map((n) => assemblyClass(className(n), recordLayout(n)));
  return [
    "// Written by scripts/build.mjs from src/plan/layout.ts. Do not edit.",
    "",
    `export const RECORD_BYTES: usize = ${RECORD_BYTES};`,
    "",
    ...opcodes,
    "",
    ...Object.entries(REQUANTIZATION_FORMS).map(([form, value]) => `export const ${form}: u8 = ${value};`),
    "",
    assemblyClass("Header", structLayout(HEADER)),
    assemblyClass("Requantization", structLayout(REQUANTIZATION)),
    ...classes,
  ].join("\n");
}

const C_TYPES: Record<FieldType, string> = {
  u8: "uint8_t",
  i8: "int8_t",
  u16: "uint16_t",
  i16: "int16_t",
  u32: "uint32_t",
  i32: "int32_t",
  f32: "float",
  operand: "uint32_t",
  constant: "uint32_t",
};

/** `inputZeroPoint` -> `input_zero_point` */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function cStruct(name: string, layout: StructLayout): string {
  const fields = layout.fields.map((f) => `  ${C_TYPES[f.type]} ${snakeCase(f.name)};`);
  return `typedef struct {\n${fields.join("\n")}\n} ${name};\n`;
}

/** The C header that mirrors the layout tables. */
export function cSource(): string {
  const names = Object.keys(KERNELS) as KernelName[];
  const opcodes = names.map((n) => `#define ${n.toUpperCase()} ${KERNELS[n].opcode}`);
  const count = 1 + Math.max(...names.map((n) => KERNELS[n].opcode));
  return [
    "/* Written by scripts/build.mjs from src/plan/layout.ts. Do not edit. */",
    "#ifndef THUMBNET_RECORDS_H",
    "#define THUMBNET_RECORDS_H",
    "",
    "#include <stdint.h>",
    "",
    `#define IMAGE_MAGIC 0x${MAGIC.toString(16)}u`,
    `#define IMAGE_VERSION ${VERSION}`,
    `#define IMAGE_CHECKED_FROM ${CHECKED_FROM}u`,
    `#define RECORD_BYTES ${RECORD_BYTES}u`,
    "/* In place of a tensor's operand: it never exists whole. */",
    `#define OPERAND_NEVER_WHOLE 0x${NEVER_WHOLE.toString(16)}u`,
    "",
    ...opcodes,
    "/* One more than the largest opcode. */",
    `#define KERNEL_COUNT ${count}`,
    "",
    ...Object.entries(REQUANTIZATION_FORMS).map(([form, value]) => `#define REQUANTIZE_${form} ${value}`),
    ...CRITERIA.map((criterion, value) => `#define EXIT_${criterion.toUpperCase()} ${value}`),
    "",
    cStruct("image_header", structLayout(HEADER)),
    cStruct("image_operator", structLayout(OPERATOR)),
    cStruct("image_port", structLayout(PORT)),
    cStruct("image_exit", structLayout(EXIT)),
    "/* `rank` dimensions follow as uint32_t. */",
    cStruct("image_tensor", structLayout(TENSOR)),
    "/* The data of its channels follow. */",
    cStruct("image_requantization", structLayout(REQUANTIZATION)),
    ...names.map((n) => cStruct(`${n}_record`, recordLayout(n))),
    "#endif",
    "",
  ].join("\n");
}
