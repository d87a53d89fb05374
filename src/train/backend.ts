/** Chooses and starts the TensorFlow.js backend that training runs on. */
import type * as TensorFlow from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../errors.ts";

/** In order of preference. "node" is `@tensorflow/tfjs-node`, native code. */
const NAMES = ["node", "wasm", "cpu"] as const;

export type BackendName = (typeof NAMES)[number];

export interface TrainingBackend {
  /** The TensorFlow.js core that the backend is registered with. */
  readonly tf: typeof TensorFlow;
  readonly name: BackendName;
  /** Why a better backend that is installed was passed over, to be shown. */
  readonly warning?: string;
}

/** A module if it is installed, else null; any other failure to load it is passed on. */
async function optional<T>(load: () => Promise<T>): Promise<T | null> {
  try {
    return await load();
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}

/**
 * Starts the best backend that is installed: `@tensorflow/tfjs-node`, else `@tensorflow/tfjs-backend-wasm`,
 * else `@tensorflow/tfjs-backend-cpu`.
 *
 * @param wanted only this one, or an error
 * @throws ThumbnetError where TensorFlow.js, or the backend wanted, is not installed
 */
export async function trainingBackend(wanted?: BackendName): Promise<TrainingBackend> {
  if (wanted !== undefined && !NAMES.includes(wanted)) {
    throw new ThumbnetError(`there is no training backend "${wanted}"; there are ${NAMES.join(", ")}`);
  }
  const tf = await optional(() => import("@tensorflow/tfjs-core"));
  if (tf === null) {
    throw new ThumbnetError(
      "training needs TensorFlow.js: npm install @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm",
    );
  }
  // Else the cpu backend greets on standard error, and recommends what has been looked for here.
  tf.enableProdMode();
  let warning: string | undefined;
  for (const name of wanted === undefined ? NAMES : [wanted]) {
    try {
      if (!(await start(tf, name))) continue;
    } catch (error) {
      // Native code may be installed and yet not load: built for another Node, or its library is missing.
      if (wanted !== undefined || name !== "node") throw error;
      warning = `@tensorflow/tfjs-node is installed but does not start: ${(error as Error).message}`;
      continue;
    }
    (await import("./gradients.ts")).registerGradients();
    return { tf, name, ...(warning !== undefined && { warning }) };
  }
  throw new ThumbnetError(
    `no training backend${wanted === undefined ? "" : ` "${wanted}"`} is installed; the packages are ` +
      "@tensorflow/tfjs-node, @tensorflow/tfjs-backend-wasm and @tensorflow/tfjs-backend-cpu",
  );
}

/** Whether the backend is installed and has started. */
async function start(tf: typeof TensorFlow, name: BackendName): Promise<boolean> {
  if (name === "node") {
    // The name is not a literal: the compiler would look for the package, which is optional.
    const packageName = "@tensorflow/tfjs-node";
    if ((await optional(() => import(packageName))) === null) return false;
    return tf.setBackend("tensorflow");
  }
  if (name === "wasm") {
    const wasm = await optional(() => import("@tensorflow/tfjs-backend-wasm"));
    if (wasm === null) return false;
    // One thread adds in one order: the same seed gives the same network.
    wasm.setThreadsCount(1);
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    if (!(await tf.setBackend("wasm"))) return false;
    await (await import("./kernels/register.ts")).registerTrainingKernels();
    return true;
  }
  if ((await optional(() => import("@tensorflow/tfjs-backend-cpu"))) === null) return false;
  return tf.setBackend("cpu");
}
