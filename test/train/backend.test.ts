import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import { type BackendName, trainingBackend } from "../../src/train/backend.ts";

const NATIVE = "@tensorflow/tfjs-node";
afterEach(() => {
  vi.doUnmock(NATIVE);
  vi.restoreAllMocks();
});

describe("training back end", () => {
  it.each(["wasm", "cpu"] as const)("starts %s when it is asked for", async (name) => {
    const started = await trainingBackend(name);
    expect(started.name).toBe(name);
    expect(started.tf.getBackend()).toBe(name);
    expect(tf.getBackend()).toBe(name);
  });

  it("lets no backend print by itself", async () => {
    const warn = vi.spyOn(console, "warn");
    // The cpu backend greets at the first values that it gets: a new one.
    const { tf } = await trainingBackend("cpu");
    tf.removeBackend("cpu");
    const { MathBackendCPU } = await import("@tensorflow/tfjs-backend-cpu");
    tf.registerBackend("cpu", () => new MathBackendCPU(), 1);
    await tf.setBackend("cpu");
    tf.ones([2]).dispose();
    expect(warn).not.toHaveBeenCalled();
  });

  it("prefers native code, then WebAssembly", async () => {
    const hasNative = await import(NATIVE).then(
      () => true,
      () => false,
    );
    expect((await trainingBackend()).name).toBe(hasNative ? "node" : "wasm");
  });

  it("goes on to WebAssembly, and says so, where native code is installed but does not load", async () => {
    vi.doMock(NATIVE, () => {
      throw new Error("no binding");
    });
    const { name, warning } = await trainingBackend();
    expect(name).toBe("wasm");
    expect(warning).toMatch(/^@tensorflow\/tfjs-node is installed but does not start: /);
    await expect(trainingBackend("node").then(({ name }) => name)).rejects.toThrow();
  });

  it("runs in one thread", async () => {
    await trainingBackend("wasm");
    const { getThreadsCount } = await import("@tensorflow/tfjs-backend-wasm");
    expect(getThreadsCount()).toBe(1);
  });

  it("has our kernels after the backend was started again", async () => {
    const { tf } = await trainingBackend("wasm");
    const factory = tf.findBackendFactory("wasm");
    tf.removeBackend("wasm");
    tf.registerBackend("wasm", factory, 2);
    await trainingBackend("wasm");
    const x = tf.ones<tf.Rank.R4>([1, 3, 3, 2]);
    const gradient = tf.grad((f) => tf.conv2d(x, f as tf.Tensor4D, 1, "valid"))(tf.ones([3, 3, 2, 1]));
    expect([...gradient.dataSync()]).toEqual(new Array(18).fill(1));
  });

  it("names what is not there", async () => {
    const started = trainingBackend("gpu" as BackendName).then(() => "started");
    await expect(started).rejects.toThrow(
      new ThumbnetError('there is no training backend "gpu"; there are node, wasm, cpu'),
    );
  });
});
