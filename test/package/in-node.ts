// Arguments: engine, URL of the job's folder. Prints the verdict.
import { readFile } from "node:fs/promises";
import * as thumbnet from "../../src/index.ts";
import { runJob } from "./run-job.ts";

const [engine, folder] = process.argv.slice(2) as [thumbnet.Engine, string];
const verdict = await runJob({
  name: `Node ${process.versions.node.split(".")[0]}`,
  thumbnet,
  engine,
  folder: new URL(folder),
  open: async (url) => new Response(await readFile(url)),
});
console.log(JSON.stringify(verdict));
