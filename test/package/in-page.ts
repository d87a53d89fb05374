// Query: engine and, for a worker, its script. Writes the verdict into the page and its title.
import * as thumbnet from "../../src/index.ts";
import type { Verdict } from "./job.ts";
import { runJob } from "./run-job.ts";

function runInWorker(script: string, engine: thumbnet.Engine): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Verdict>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`worker: ${message}`));
    worker.postMessage(engine);
  });
}

async function run(): Promise<Verdict> {
  const query = new URLSearchParams(location.search);
  const engine = query.get("engine") as thumbnet.Engine;
  const worker = query.get("worker");
  if (worker) return runInWorker(worker, engine);
  const folder = new URL("/job/", location.href);
  return runJob({ name: "page", thumbnet, engine, folder, open: (url) => fetch(url) });
}

run()
  .then(JSON.stringify, String)
  .then((result) => {
    document.body.textContent = result;
    document.title = "done";
  });
