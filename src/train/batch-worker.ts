/** The thread that makes batches: see background.ts, which starts it. */
import { parentPort, workerData } from "node:worker_threads";
import { openTrainingSet } from "../data/open-set.ts";
import { elementCount } from "../graph/shape.ts";
import type { BatchJob, BatchMessage } from "./background.ts";
import { type EpochOptions, epochBatches } from "./batches.ts";

/** Batches that are made before the first is asked for. */
const AHEAD = 4;

async function serve({ path, pictureShape, withUnlabelled }: BatchJob): Promise<void> {
  const { train, inputShape } = await openTrainingSet(path, pictureShape, withUnlabelled);
  const elements = elementCount(inputShape);
  const send = (message: BatchMessage, ...transfer: ArrayBuffer[]) =>
    parentPort!.postMessage(message, transfer);
  let batches: ReturnType<typeof epochBatches> | null = null;
  const sendNext = () => {
    const next = batches?.next();
    if (next === undefined) return;
    if (next.done) {
      batches = null;
      send({ kind: "end" });
      return;
    }
    // Indices are a view of the whole order, which stays here.
    const batch = { ...next.value, indices: next.value.indices.slice() };
    const buffers = [batch.indices.buffer, batch.inputs.buffer, batch.labels.buffer] as ArrayBuffer[];
    send({ kind: "batch", batch }, ...buffers);
  };
  parentPort!.on("message", (options: EpochOptions | "next") => {
    if (options === "next") {
      sendNext();
      return;
    }
    batches = epochBatches(train, elements, options);
    for (let i = 0; i < AHEAD; i++) sendNext();
  });
  send({ kind: "ready" });
}

serve(workerData).catch((error: Error) => {
  parentPort!.postMessage({ kind: "error", message: error.message } satisfies BatchMessage);
});
