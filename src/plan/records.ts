import type { FieldType, StructLayout } from "./layout.ts";
import { HEADER, KERNELS, type KernelName, RECORD_BYTES, recordLayout, structLayout } from "./layout.ts";

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
    assemblyClass("Header", structLayout(HEADER)),
    ...classes,
  ].join("\n");
}
