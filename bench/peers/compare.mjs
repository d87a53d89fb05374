// @ts-check
/**
 * node bench/peers/compare.mjs [SHARED]: every peer on the reference models: its time, and how near its outputs
 * come to those of the Cortex-M0 kernels. A report; check-operators.mjs says whether a conversion is right.
 */
import { peers } from "./index.mjs";
import { referenceRoot, referenceSuites } from "./reference-models.mjs";

/** @import { PeerModel } from "./index.mjs" */
/** @import { Suite } from "./reference-models.mjs" */

const WARM_UP_RUNS = 100;
const MILLISECONDS = 2000;

/** @param {PeerModel} model @param {Suite} suite */
async function compareOutputs(model, { name, inputs, outputs }) {
  let [equal, sameClass, max, sum] = [0, 0, 0, 0];
  for (const [n, input] of inputs.entries()) {
    const output = await model.run(input);
    const exact = outputs[n] ?? new Int8Array();
    if (output.length !== exact.length)
      throw new Error(`${name}: ${output.length} output bytes instead of ${exact.length}`);
    const differences = Array.from(exact, (value, i) => Math.abs(value - Number(output[i])));
    const largest = Math.max(...differences);
    if (largest === 0) equal++;
    if (topClass(output) === topClass(exact)) sameClass++;
    max = Math.max(max, largest);
    sum += differences.reduce((total, value) => total + value, 0) / exact.length;
  }
  const count = inputs.length;
  const mean = (sum / count).toFixed(3);
  return `equal ${equal}/${count}, same top class ${sameClass}/${count}, largest difference ${max}, mean ${mean}`;
}

/** @param {Int8Array} output */
function topClass(output) {
  return output.indexOf(Math.max(...output));
}

/** @param {PeerModel} model @param {Int8Array} input @returns {Promise<number>} median, microseconds */
async function medianTime(model, input) {
  /** @type {number[]} */
  const times = [];
  for (let i = 0; i < WARM_UP_RUNS; i++) await model.run(input);
  for (const end = performance.now() + MILLISECONDS; performance.now() < end; ) {
    const start = performance.now();
    await model.run(input);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return 1000 * (times[Math.floor(times.length / 2)] ?? Number.NaN);
}

for (const peer of await peers()) {
  const size = peer.bytes === null ? "not for pages" : `${(peer.bytes / 1e6).toFixed(2)} MB gzipped`;
  console.log(`${peer.name} ${peer.version} (${size})`);
  for (const suite of referenceSuites(referenceRoot(process.argv[2]))) {
    const model = await peer.load(suite.tflite, suite.model);
    const outputs = await compareOutputs(model, suite);
    const time = await medianTime(model, suite.inputs[0] ?? new Int8Array());
    await model.dispose();
    console.log(`  ${suite.name.padEnd(28)} ${time.toFixed(0).padStart(5)} us; ${outputs}`);
  }
}
