/**
 * Images a second of a whole training step (forward, backward, Adam) on one core, in CPU time of the process:
 *
 *   node bench/train.mjs [NETWORK[:BATCH] …] [--backend wasm|cpu|node] [--steps N] [--profile]
 *
 * Networks are those of src/train/network/factories.ts: dscnn, mobilenet, resnet8. Needs `npm run build`.
 */
import { parseArgs } from "node:util";
import { Adam } from "../dist/train/adam.js";
import { trainingBackend } from "../dist/train/backend.js";
import { networkCost } from "../dist/train/network/description.js";
import { dscnn, mobilenetV1, resnet8 } from "../dist/train/network/factories.js";
import { initialParameters } from "../dist/train/network/parameters.js";
import { Network } from "../dist/train/network.js";
import { classification, trainStep } from "../dist/train/step.js";

const NETWORKS = {
  dscnn: { build: dscnn, batch: 100 },
  mobilenet: { build: mobilenetV1, batch: 32 },
  resnet8: { build: resnet8, batch: 32 },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: "string" },
    steps: { type: "string", default: "25" },
    profile: { type: "boolean", default: false },
  },
});
const { tf, name: backend } = await trainingBackend(values.backend);

for (const wanted of positionals.length > 0 ? positionals : Object.keys(NETWORKS)) {
  const [name, size] = wanted.split(":");
  const { build, batch: usual } = NETWORKS[name];
  const count = Number(size ?? usual);
  const description = build();
  const network = new Network(description, initialParameters(description, 1), `${name}/`);
  const optimizer = new Adam(1e-3);
  const elements = description.inputShape.reduce((a, b) => a * b);
  const classes = network.shapes.at(-1)[0];
  const batch = {
    indices: Uint32Array.from({ length: count }, (_, i) => i),
    inputs: Float32Array.from({ length: count * elements }, () => Math.random() * 2 - 1),
    labels: Uint16Array.from({ length: count }, (_, i) => i % classes),
  };
  const step = (seed) =>
    trainStep(network, optimizer, batch, classification, {
      learningRate: 1e-3,
      labelSmoothing: 0,
      weightDecay: 0,
      statisticsMomentum: 0.99,
      seed,
    });
  for (let i = 0; i < 3; i++) step(i);
  const times = [];
  for (let i = 0; i < Number(values.steps); i++) {
    const before = process.cpuUsage();
    step(i);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1e3);
  }
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1];
  const { macs } = networkCost(description);
  console.log(
    `${name} on ${backend}: ${Math.round((count / median) * 1e3)} images/s ` +
      `(batch ${count}: ${median.toFixed(1)} ms median, ${times[0].toFixed(1)} best; ` +
      `${(macs / 1e6).toFixed(2)} M MACs an image, ${((3 * macs * count) / median / 1e6).toFixed(1)} GMAC/s)`,
  );
  if (values.profile) {
    const { kernels } = await tf.profile(() => {
      step(0);
    });
    const totals = new Map();
    for (const { name, kernelTimeMs } of kernels) {
      const entry = totals.get(name) ?? { ms: 0, calls: 0 };
      entry.ms += await kernelTimeMs;
      entry.calls++;
      totals.set(name, entry);
    }
    for (const [name, { ms, calls }] of [...totals].sort((a, b) => b[1].ms - a[1].ms).slice(0, 25)) {
      console.log(`  ${ms.toFixed(2).padStart(8)} ms  ${String(calls).padStart(4)} x ${name}`);
    }
  }
  optimizer.dispose();
  network.dispose();
}
