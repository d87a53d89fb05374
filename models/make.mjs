/**
 * Makes what a folder of models holds again: trains, prunes, quantises, measures, copies, and writes the figures
 * into the folder's README.
 *
 *   node models/make.mjs NAME [--data DIR] [--work DIR] [--from best.ckpt] [--no-test]
 *
 * NAME      kws, cifar10 or digits
 * --data    the training set; default: what `thumbnet fetch` gets, into the work folder
 * --work    where runs, checkpoints and the report go, which can be stopped and gone on with; default: build/models/NAME
 * --from    a whole network that is trained already
 * --no-test measures validation examples only
 *
 * Needs the project built.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readNetwork } from "../dist/train/checkpoint.js";
import { RECIPES } from "./recipes.mjs";

const MODELS = dirname(fileURLToPath(import.meta.url));
const MAIN = join(MODELS, "../dist/cli/main.js");
/** Of the RP2040, for times. */
const HERTZ = 125e6;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    work: { type: "string" },
    from: { type: "string" },
    "no-test": { type: "boolean", default: false },
  },
});
const name = positionals[0];
const recipe = Object.hasOwn(RECIPES, name ?? "") ? RECIPES[name] : null;
if (recipe === null || positionals.length > 1) {
  fail(
    `usage: node models/make.mjs ${Object.keys(RECIPES).join("|")} [--data DIR] [--work DIR] [--from FILE]`,
  );
}
const folder = join(MODELS, name);
const work = resolve(values.work ?? join(MODELS, "../build/models", name));
const data = resolve(values.data ?? join(work, "data"));
mkdirSync(work, { recursive: true });

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs one command of thumbnet; DATA, WORK, WHOLE and HERE in its words are folders and a file. */
function thumbnet(words, whole) {
  const places = { DATA: data, WORK: work, WHOLE: whole, HERE: folder };
  const args = words.map((word) => word.replace(/\b(DATA|WORK|WHOLE|HERE)\b/, (place) => places[place]));
  console.error(`thumbnet ${args.join(" ")}`);
  const { status, signal } = spawnSync(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) fail(`models/make.mjs: ${signal ?? `ended with ${status}`}`);
}

if (values.data === undefined && !existsSync(data)) thumbnet(["fetch", recipe.fetch, "--out", "DATA"], "");
if (values.from === undefined) for (const step of recipe.train) thumbnet(step, "");
const whole = resolve(values.from ?? join(work, "whole/best.ckpt"));
thumbnet([...recipe.prune, "--out", "WORK/pruned", ...(values["no-test"] ? [] : ["--test"])], whole);

const trained = await readNetwork(whole);
writeFileSync(join(folder, "labels.txt"), trained.classes.map((label) => `${label}\n`).join(""));
mkdirSync(join(folder, "float"), { recursive: true });
for (const [file, { result }] of Object.entries(recipe.files)) {
  copyFileSync(join(work, "pruned", result, "int8.tflite"), join(folder, `${file}.tflite`));
  copyFileSync(join(work, "pruned", result, "float.tflite"), join(folder, `float/${file}.tflite`));
}

const records = Object.entries(recipe.files).map(([file, { result, note }]) => {
  const record = JSON.parse(readFileSync(join(work, "pruned", result, "result.json"), "utf8"));
  return { file, note, ...record.figures };
});

const count = (value) => value.toLocaleString("en-US");
const percent = (share) => `${(100 * share).toFixed(2)} %`;

/** A value and how far it is from the whole network's. */
function beside(value, whole) {
  const change = Math.round(1000 * (value / whole - 1)) / 10;
  return change === 0 ? count(value) : `${count(value)} (${change > 0 ? "+" : "−"}${Math.abs(change)} %)`;
}

function figures() {
  const [first] = records;
  const parts = ["validation", "test"].filter((part) => first.accuracy[part] !== undefined);
  const rows = [
    ["", ...records.map(({ file }) => `\`${file}.tflite\``)],
    ["", ...records.map(() => "---:")].map((cell, i) => (i === 0 ? "---" : cell)),
    ["what", ...records.map(({ note }) => note)],
    ["parameters as Keras counts", ...records.map((r) => beside(r.kerasParameters, first.kerasParameters))],
    ["parameters, batch normalisation folded", ...records.map((r) => beside(r.parameters, first.parameters))],
    ["multiply-accumulates", ...records.map((r) => beside(r.macs, first.macs))],
    ["file, bytes", ...records.map((r) => count(r.tfliteBytes))],
    ["cycles of the emulated RP2040", ...records.map((r) => (r.chip ? count(r.chip.cycles) : r.problem))],
    [
      "milliseconds at 125 MHz",
      ...records.map((r) => (r.chip ? ((1000 * r.chip.cycles) / HERTZ).toFixed(0) : "")),
    ],
    ["RAM, bytes", ...records.map((r) => (r.chip ? count(r.chip.ram.sum) : ""))],
    ["flash, bytes", ...records.map((r) => (r.chip ? count(r.chip.flash.sum) : ""))],
    ...parts.flatMap((part) => {
      const of = (form) => records.map((r) => percent(r.accuracy[part][form].accuracy));
      const where = `${part} (${count(first.accuracy[part].count)})`;
      return [
        [`${where}, float`, ...of("float")],
        [`${where}, int8`, ...of("int8").map((accuracy) => `**${accuracy}**`)],
      ];
    }),
  ];
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function origin() {
  const { data: set, options, epoch, accuracy, ...rest } = trained.origin;
  const teaching = Object.keys(rest).length > 0 ? `, ${JSON.stringify(rest)}` : "";
  return [
    `The whole network (\`${trained.description.name}\`) is from epoch ${epoch} of ${options.epochs}, seed ` +
      `${options.seed}, the best of its run: ${percent(accuracy)} of the validation examples in float. Its ` +
      `checkpoint says how it was trained on \`${set}\`:`,
    "",
    `\`${JSON.stringify(options)}${teaching}\``,
  ].join("\n");
}

/** Puts text between the marks of its name. */
function fill(card, mark, text) {
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`];
  const [from, to] = [card.indexOf(begin), card.indexOf(end)];
  if (from < 0 || to < from) fail(`${basename(folder)}/README.md has no marks ${begin} and ${end}`);
  return `${card.slice(0, from + begin.length)}\n${text}\n${card.slice(to)}`;
}

const path = join(folder, "README.md");
const sections = { figures: figures(), origin: origin() };
const card = Object.entries(sections).reduce(
  (text, [mark, content]) => fill(text, mark, content),
  readFileSync(path, "utf8"),
);
writeFileSync(path, card);
console.error(`${folder}: ${Object.keys(recipe.files).join(", ")}`);
