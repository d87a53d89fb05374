// A module worker: takes the engine, answers with the verdict.
import * as thumbnet from "../../src/index.ts";
import { runJob } from "./run-job.ts";

addEventListener("message", async ({ data: engine }: MessageEvent<thumbnet.Engine>) => {
  const folder = new URL("/job/", location.href);
  postMessage(await runJob({ name: "worker", thumbnet, engine, folder, open: (url) => fetch(url) }));
});
