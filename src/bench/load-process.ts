/**
 * A process of its own, for `load-times.ts`: takes a model's bytes from standard input, compiles the WebAssembly of the
 * engine that is its argument, and prints the milliseconds of each of some loads as JSON.
 */
import { type Engine, instantiate } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import { randomInput } from "./input.ts";
import { LOADS } from "./load-times.ts";

const chunks: Uint8Array[] = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const bytes = new Uint8Array(Buffer.concat(chunks));
const engine = process.argv[2] as Engine;
await instantiate(engine);

const milliseconds: number[] = [];
for (let i = 0; i < LOADS; i++) {
  const start = performance.now();
  const model = await loadModel(bytes, { engine });
  const loaded = performance.now();
  const inputs = model.inputs.map((info, n) => randomInput(info, n));
  const ready = performance.now();
  model.runAll(inputs);
  milliseconds.push(loaded - start + performance.now() - ready);
  model.dispose();
}
process.stdout.write(JSON.stringify(milliseconds));
