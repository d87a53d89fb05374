// Fits the cost model to the emulated chip: src/mcu/cost/coefficients.ts. Run it after a change of the kernels:
//   npm run firmware && node scripts/build.mjs && node scripts/fit-cost-model.mjs && node scripts/build.mjs
import { renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Random } from "../dist/data/random.js";
import { recordFeatures } from "../dist/mcu/cost/features.js";
import { createEmulator } from "../dist/mcu/emulator.js";
import { loadFirmware } from "../dist/mcu/firmware.js";
import { compileGraph } from "../dist/plan/compile.js";
import { disassemble } from "../dist/plan/disassemble.js";
import { chain, SAMPLES } from "./cost-samples.mjs";

const TARGET = fileURLToPath(new URL("../src/mcu/cost/coefficients.ts", import.meta.url));
const SWEEPS = 20_000;
/** Cycles of a record that errors are relative to at least: what takes less hardly matters. */
const FLOOR = 500;
const only = process.argv.slice(2);

function measure(graph, random) {
  const image = compileGraph(graph);
  const emulator = createEmulator(image);
  const inputs = emulator.inputs.map(({ elements }) => {
    const isWide = random.chance(0.5);
    return Int8Array.from({ length: elements }, () =>
      isWide ? random.integer(-128, 127) : Math.max(-128, Math.min(127, Math.round(random.normal() * 40))),
    );
  });
  const { operators, stackBytes } = emulator.run(inputs);
  const cycles = operators[0].cycles;
  const counts = {};
  for (const record of disassemble(image)) {
    for (const [name, count] of Object.entries(recordFeatures(record, image))) {
      counts[name] = (counts[name] ?? 0) + count;
    }
  }
  return { kernel: disassemble(image)[0]?.kernel, counts, cycles, stackBytes };
}

/** Least squares of relative errors with no negative coefficient, one coefficient after the other. */
function solve(samples) {
  const names = [...new Set(samples.flatMap(({ counts }) => Object.keys(counts)))];
  const rows = samples.map(({ counts, cycles }) => {
    const weight = 1 / Math.max(FLOOR, cycles);
    return { x: names.map((name) => (counts[name] ?? 0) * weight), y: cycles * weight };
  });
  const norms = names.map((_, i) => Math.sqrt(rows.reduce((sum, { x }) => sum + x[i] ** 2, 0)));
  const gram = names.map((_, i) =>
    names.map((_, j) =>
      norms[i] * norms[j] === 0
        ? 0
        : rows.reduce((sum, { x }) => sum + x[i] * x[j], 0) / (norms[i] * norms[j]),
    ),
  );
  const target = names.map((_, i) =>
    norms[i] === 0 ? 0 : rows.reduce((sum, { x, y }) => sum + x[i] * y, 0) / norms[i],
  );
  const solution = names.map(() => 0);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let i = 0; i < names.length; i++) {
      if (norms[i] === 0) continue;
      let rest = target[i];
      for (let j = 0; j < names.length; j++) if (j !== i) rest -= gram[i][j] * solution[j];
      solution[i] = Math.max(0, rest);
    }
  }
  return Object.fromEntries(
    names.map((name, i) => [name, norms[i] === 0 ? 0 : Number((solution[i] / norms[i]).toPrecision(4))]),
  );
}

/** What a run takes beside its kernels: for itself, and for each operator. */
function runCycles() {
  const [one, many] = [1, 11].map((count) => {
    const emulator = createEmulator(compileGraph(chain(count)));
    const { cycles, operators } = emulator.run([new Int8Array(emulator.inputs[0].elements)]);
    return operators.reduce((rest, operator) => rest - operator.cycles, cycles);
  });
  const operator = (many - one) / 10;
  return { run: one - operator, operator };
}

const predict = (coefficients, counts) =>
  Object.entries(counts).reduce((sum, [name, count]) => sum + count * coefficients[name], 0);

const fitted = {};
const stacks = {};
const kernels = Object.keys(SAMPLES);
for (const [index, kernel] of kernels.entries()) {
  if (only.length > 0 && !only.includes(kernel)) continue;
  const [makers, count] = SAMPLES[kernel];
  const samples = [];
  for (let seed = 0; samples.length < count; seed++) {
    const random = new Random(index, seed);
    const sample = measure(makers[seed % makers.length](random), random);
    if (sample.kernel === kernel) samples.push({ ...sample, seed });
  }
  fitted[kernel] = solve(samples);
  stacks[kernel] = Math.max(...samples.map(({ stackBytes }) => stackBytes));
  const errors = samples
    .map((sample) => ({ ...sample, error: predict(fitted[kernel], sample.counts) / sample.cycles - 1 }))
    .sort((a, b) => Math.abs(a.error) - Math.abs(b.error));
  const total = samples.reduce((sum, { cycles }) => sum + cycles, 0);
  const weighted = errors.reduce((sum, { error, cycles }) => sum + Math.abs(error) * cycles, 0) / total;
  const at = (share) =>
    `${(100 * Math.abs(errors[Math.floor(share * (errors.length - 1))].error)).toFixed(1)} %`;
  console.log(
    `${kernel.padEnd(20)} ${samples.length} operators: error ${(100 * weighted).toFixed(2)} % by cycles, median ${at(0.5)}, 95th ${at(0.95)}, worst ${at(1)}`,
  );
  if (only.length > 0) {
    console.log(fitted[kernel]);
    for (const { error, cycles, seed, counts } of errors.slice(-8)) {
      console.log((100 * error).toFixed(1), seed, cycles, JSON.stringify(counts));
    }
  }
}
if (only.length > 0) process.exit();

const table = (object, indent) =>
  Object.entries(object)
    .map(([key, value]) =>
      typeof value === "object"
        ? `${indent}${key}: {\n${table(value, `${indent}  `)}\n${indent}},`
        : `${indent}${key}: ${value},`,
    )
    .join("\n");

const text = `// Written by scripts/fit-cost-model.mjs. Do not edit.

/** SHA-256 of the firmware that this was fitted to. */
export const FITTED_TO = "${loadFirmware().sha256}";

/** Cycles by kernel, for one of each that \`features.ts\` counts. */
export const COEFFICIENTS = {
${table(fitted, "  ")}
};

/** Cycles of a run beside its kernels: for itself, and for each operator. */
export const AROUND = {
${table(runCycles(), "  ")}
};

/** The most stack that a program of one kernel took, in bytes. */
export const STACK = {
${table(stacks, "  ")}
};
`;
writeFileSync(`${TARGET}.tmp`, text);
renameSync(`${TARGET}.tmp`, TARGET);
