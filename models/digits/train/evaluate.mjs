/**
 * Accuracy of the float network (build/checkpoint.json) and of ../digits.tflite on the held-out test digits,
 * as they are and distorted, and the answers of ../digits.tflite on ../samples.
 *
 *   node evaluate.mjs        (needs the project built: `npm run build` at its root)
 */

import { readFileSync } from "node:fs";
import { PNG } from "pngjs";
import { loadModel } from "../../../dist/index.js";
import { loadCheckpoint } from "./checkpoint.mjs";
import { CLASSES, distort, here, loadDigits, PIXELS, randomFrom } from "./data.mjs";
import { floatAccuracy, fold, startBackend } from "./network.mjs";

const state = loadCheckpoint();
if (state === null) {
  console.error("train first: npm run train");
  process.exit(1);
}
const folded = fold(state.parameters, state.moments);
await startBackend();
const model = await loadModel(readFileSync(here("../digits.tflite")));

const { test } = loadDigits();
const random = randomFrom(1);
const distorted = test.map(({ pixels, label }) => ({ pixels: distort(pixels, random), label }));
for (const [name, examples] of Object.entries({ test, distorted })) {
  console.log(`${name}: ${examples.length} digits`);
  console.log(`  float ${percent(floatAccuracy(folded, examples))}`);
  const answers = examples.map(({ pixels }) => classify(pixels));
  const right = answers.filter(({ digit }, i) => digit === examples[i].label).length;
  console.log(`  int8  ${percent(right / examples.length)}`);
  if (name === "test") printConfusion(examples, answers);
}
console.log("samples");
for (let digit = 0; digit < CLASSES; digit++) {
  const { data } = PNG.sync.read(readFileSync(here(`../samples/digit-${digit}.png`)));
  const answer = classify(Uint8Array.from({ length: PIXELS }, (_, i) => data[4 * i]));
  console.log(`  ${digit}: ${answer.digit} (${percent(answer.probability)})`);
}

function classify(pixels) {
  const output = model.run(Int8Array.from(pixels, (pixel) => pixel - 128));
  const best = Math.max(...output);
  return { digit: output.indexOf(best), probability: (best + 128) / 256 };
}

function printConfusion(examples, answers) {
  const counts = Array.from({ length: CLASSES }, () => new Array(CLASSES).fill(0));
  examples.forEach(({ label }, i) => {
    counts[label][answers[i].digit]++;
  });
  console.log("  label: how often each digit was the answer");
  counts.forEach((row, label) => {
    console.log(`  ${label}: ${row.map((count) => String(count).padStart(4)).join("")}`);
  });
}

function percent(fraction) {
  return `${(100 * fraction).toFixed(2)} %`;
}
