/**
 * Makes what a folder of models holds again: trains, prunes or tunes, quantises, measures, copies, and writes the
 * figures into the folder's README.
 *
 *   node models/make.mjs NAME [--data DIR] [--work DIR] [--out DIR] [--no-test]
 *
 * NAME      a recipe: kws, kws-exits, cifar10 or digits
 * --data    the training set; default: what `thumbnet fetch` gets, into the work folder
 * --work    where runs, checkpoints and the report go, which can be stopped and gone on with; what is trained there
 *           already stays; default: build/models and the name of the folder of the models
 * --out     default: the folder of the models
 * --no-test measures validation examples only
 *
 * Needs the project built.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { summarizeModes } from "../dist/report/summary.js";
import { readNetwork } from "../dist/train/checkpoint.js";
import { curve, exitFigures, exitOrigin, figures, fill, origin } from "./card.mjs";
import { RECIPES } from "./recipes.mjs";

const MODELS = dirname(fileURLToPath(import.meta.url));
const MAIN = join(MODELS, "../dist/cli/main.js");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    work: { type: "string" },
    out: { type: "string" },
    "no-test": { type: "boolean", default: false },
  },
});
const name = positionals[0];
const recipe = Object.hasOwn(RECIPES, name ?? "") ? RECIPES[name] : null;
if (recipe === null || positionals.length > 1) {
  fail(`usage: node models/make.mjs ${Object.keys(RECIPES).join("|")} [--data DIR] [--work DIR] [--out DIR]`);
}
/** Of the networks as they are shipped, and their card. */
const folder = recipe.folder ?? name;
const source = join(MODELS, folder);
const out = resolve(values.out ?? source);
const work = resolve(values.work ?? join(MODELS, "../build/models", folder));
const data = resolve(values.data ?? join(work, "data"));
const trained = join(work, recipe.trained);
for (const made of [work, join(out, "float")]) mkdirSync(made, { recursive: true });

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs one command of thumbnet; DATA, WORK, TRAINED and HERE in its words are places. */
function thumbnet(words) {
  const places = { DATA: data, WORK: work, TRAINED: trained, HERE: source };
  const args = words.map((word) => word.replace(/\b(DATA|WORK|TRAINED|HERE)\b/, (place) => places[place]));
  console.error(`thumbnet ${args.join(" ")}`);
  const { status, signal } = spawnSync(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) fail(`models/make.mjs: ${signal ?? `ended with ${status}`}`);
}

/** Copies a network in both forms. */
function ship(file, int8, float) {
  copyFileSync(int8, join(out, `${file}.tflite`));
  copyFileSync(float, join(out, `float/${file}.tflite`));
}

/** @returns sections of the card */
async function pruned() {
  for (const step of recipe.prune) {
    thumbnet([...step, "--out", "WORK/pruned", ...(values["no-test"] ? [] : ["--test"])]);
  }
  const whole = await readNetwork(trained);
  writeFileSync(join(out, "labels.txt"), whole.classes.map((label) => `${label}\n`).join(""));
  const records = Object.entries(recipe.files).map(([file, { result, note }]) => {
    const folder = join(work, "pruned", result);
    ship(file, join(folder, "int8.tflite"), join(folder, "float.tflite"));
    const { figures } = JSON.parse(readFileSync(join(folder, "result.json"), "utf8"));
    return { file, note, ...figures };
  });
  return { figures: figures(records), curve: curve(join(work, "pruned")), origin: origin(whole) };
}

/** @returns sections of the card */
async function tuned() {
  thumbnet([...recipe.tune, "--out", "WORK/tuned.tflite"]);
  ship(name, join(work, "tuned.tflite"), join(trained, "float.tflite"));
  const report = JSON.parse(readFileSync(join(work, "report.json"), "utf8"));
  const network = await readNetwork(join(trained, "best.ckpt"));
  const bytes = readFileSync(join(work, "tuned.tflite"));
  const [{ chip }] = summarizeModes(bytes, name);
  return { exits: exitFigures(report, bytes.length, chip), "origin of exits": exitOrigin(network) };
}

if (values.data === undefined && !existsSync(data)) thumbnet(["fetch", recipe.fetch, "--out", "DATA"]);
for (const step of recipe.train) thumbnet(step);
const sections = await (recipe.tune ? tuned() : pruned());
const card = fill(readFileSync(join(source, "README.md"), "utf8"), sections);
writeFileSync(join(out, "README.md"), card);
console.error(`${out}: ${recipe.tune ? name : Object.keys(recipe.files).join(", ")}`);
