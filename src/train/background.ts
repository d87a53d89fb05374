/** Batches made on a thread of their own, while the step before trains. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { ThumbnetError } from "../errors.ts";
import type { Batch, EpochOptions } from "./batches.ts";

/** What the thread opens: see `openTrainingSet`. */
export interface BatchJob {
  readonly path: string;
  readonly pictureShape: readonly [number, number, number];
  readonly withUnlabelled?: boolean;
}

/** What the thread says. */
export type BatchMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "batch"; readonly batch: Batch }
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly message: string };

export class BackgroundBatches {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Starts the thread, which reads the training set a second time. @throws ThumbnetError where it cannot */
  static async start(job: BatchJob): Promise<BackgroundBatches> {
    const worker = new Worker(new URL("./batch-worker.js", import.meta.url), { workerData: job });
    const batches = new BackgroundBatches(worker);
    await batches.#receive();
    return batches;
  }

  async #receive(): Promise<BatchMessage> {
    const [message] = (await once(this.#worker, "message")) as [BatchMessage];
    if (message.kind === "error") throw new ThumbnetError(message.message);
    return message;
  }

  /** What `epochBatches` gives. */
  async *epoch(options: EpochOptions): AsyncGenerator<Batch> {
    const received: BatchMessage[] = [];
    let wake = () => {};
    let failure: Error | null = null;
    const onMessage = (message: BatchMessage) => {
      received.push(message);
      wake();
    };
    const onError = (error: Error) => {
      failure = error;
      wake();
    };
    this.#worker.on("message", onMessage).on("error", onError);
    this.#worker.postMessage(options);
    try {
      while (true) {
        while (received.length === 0 && failure === null) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (failure !== null) throw failure;
        const message = received.shift()!;
        if (message.kind !== "batch") return;
        this.#worker.postMessage("next");
        yield message.batch;
      }
    } finally {
      this.#worker.off("message", onMessage).off("error", onError);
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
