/**
 * Trains the network and leaves its parameters in build/checkpoint.json, after every epoch. Run again, it
 * goes on from there; Ctrl-C loses at most one epoch. A resumed run ends with the same parameters as one that
 * was never stopped.
 *
 *   node train.mjs [--seed N] [--epochs N] [--fresh]
 */

import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.mjs";
import { CLASSES, distort, loadDigits, randomFrom } from "./data.mjs";
import {
  floatAccuracy,
  fold,
  initialMoments,
  initialParameters,
  LAYERS,
  pictures,
  startBackend,
  trainingLogits,
} from "./network.mjs";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    epochs: { type: "string", default: "60" },
    fresh: { type: "boolean", default: false },
  },
});
const SEED = wholeNumber("seed");
const EPOCHS = wholeNumber("epochs");
const BATCH = 64;
const PEAK_RATE = 0.01;

const { training, validation } = loadDigits();
const steps = Math.floor(training.length / BATCH);
const state = resume() ?? {
  seed: SEED,
  epochs: EPOCHS,
  layers: LAYERS,
  epoch: 0,
  parameters: initialParameters(SEED),
  moments: initialMoments(),
  adam: {},
};
const { parameters, moments } = state;

await startBackend();
const started = { at: Date.now(), epoch: state.epoch };
while (state.epoch < EPOCHS) {
  const loss = trainEpoch(randomFrom(SEED * 1000 + state.epoch));
  state.epoch++;
  saveCheckpoint(state);
  const accuracy = floatAccuracy(fold(parameters, moments), validation);
  const result = `loss ${loss.toFixed(4)}  validation ${(100 * accuracy).toFixed(2)} %`;
  report(`epoch ${state.epoch}/${EPOCHS}  ${result}  ${clock(timeLeft(0))} left`, true);
}
console.log(`${EPOCHS} epochs done. Next: npm run quantize`);

/** One pass over the training pictures in random order, each distorted anew; returns the mean loss. */
function trainEpoch(random) {
  const order = training.map((example) => ({ example, key: random() })).sort((a, b) => a.key - b.key);
  let total = 0;
  for (let step = 0; step < steps; step++) {
    const batch = order.slice(step * BATCH, (step + 1) * BATCH).map(({ example }) => example);
    total += trainStep(batch, random, learningRate(state.epoch + step / steps));
    const left = clock(timeLeft(step + 1));
    report(`epoch ${state.epoch + 1}/${EPOCHS}  step ${step + 1}/${steps}  ${left} left`, false);
  }
  return total / steps;
}

/** Half an epoch of warm-up, then half a cosine down to 0. */
function learningRate(epoch) {
  return PEAK_RATE * Math.min(1, 2 * epoch + 0.02) * 0.5 * (1 + Math.cos((Math.PI * epoch) / EPOCHS));
}

function trainStep(batch, random, rate) {
  return tf.tidy(() => {
    const x = pictures(batch.map(({ pixels }) => distort(pixels, random)));
    const labels = batch.map(({ label }) => label);
    const target = tf.oneHot(tf.tensor1d(labels, "int32"), CLASSES).cast("float32");
    const names = Object.keys(parameters);
    const tensors = names.map((name) => tf.tensor(parameters[name].values, parameters[name].shape));
    const seen = [];
    const { value, grads } = tf.valueAndGrads((...list) => {
      const byName = Object.fromEntries(names.map((name, i) => [name, list[i]]));
      const logits = trainingLogits(byName, x, (i, mean, variance) => {
        seen[i] = { mean: mean.dataSync(), variance: variance.dataSync() };
      });
      return target.mul(tf.logSoftmax(logits)).sum().div(-batch.length);
    })(tensors);
    moments.forEach((running, i) => {
      for (const key of ["mean", "variance"]) {
        running[key] = running[key].map((old, c) => 0.98 * old + 0.02 * seen[i][key][c]);
      }
    });
    names.forEach((name, i) => {
      adamStep(name, grads[i].dataSync(), rate);
    });
    return value.dataSync()[0];
  });
}

/** Adam (Kingma and Ba 2015) on one parameter array, in place. */
function adamStep(name, gradient, rate) {
  const { values } = parameters[name];
  state.adam[name] ??= {
    step: 0,
    first: new Float32Array(values.length),
    second: new Float32Array(values.length),
  };
  const adam = state.adam[name];
  adam.step++;
  const scale = (rate * Math.sqrt(1 - 0.999 ** adam.step)) / (1 - 0.9 ** adam.step);
  gradient.forEach((g, i) => {
    adam.first[i] += 0.1 * (g - adam.first[i]);
    adam.second[i] += 0.001 * (g * g - adam.second[i]);
    values[i] -= (scale * adam.first[i]) / (Math.sqrt(adam.second[i]) + 1e-8);
  });
}

/** What the last run left, if it was this one. */
function resume() {
  const saved = options.fresh ? null : loadCheckpoint();
  if (saved === null) return null;
  const same = JSON.stringify([saved.seed, saved.epochs, saved.layers]);
  if (same !== JSON.stringify([SEED, EPOCHS, LAYERS])) {
    fail(`the checkpoint has another network, seed (${saved.seed}) or epochs (${saved.epochs}); use --fresh`);
  }
  console.log(`going on after epoch ${saved.epoch} of ${EPOCHS} (--fresh starts anew)`);
  return saved;
}

function wholeNumber(option) {
  const value = Number(options[option]);
  if (!Number.isInteger(value) || value < 1) fail(`--${option} takes a whole number from 1`);
  return value;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function report(line, final) {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}${final ? "\n" : ""}`);
  else if (final) console.log(line);
}

/** Milliseconds to the end of training, by the steps of this run, `step` of them in the present epoch. */
function timeLeft(step) {
  const done = (state.epoch - started.epoch) * steps + step;
  return ((Date.now() - started.at) / done) * ((EPOCHS - state.epoch) * steps - step);
}

function clock(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
