import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import type { Examples } from "../../../src/data/training-set.ts";
import { ThumbnetError } from "../../../src/errors.ts";
import { graphFromTflite } from "../../../src/graph/from-tflite.ts";
import { withExits } from "../../../src/graph/rewrites/exits.ts";
import { tfliteFromGraph } from "../../../src/graph/to-tflite.ts";
import { freshHead } from "../../../src/prune/depth/cut-network.ts";
import { cuts } from "../../../src/prune/depth/cuts.ts";
import { attachExits, outputLayers } from "../../../src/prune/exits/attach.ts";
import { probabilities } from "../../../src/prune/exits/calibrate.ts";
import { exitObjective, validateExits } from "../../../src/prune/exits/objective.ts";
import { FloatModel } from "../../../src/quantize/float-model.ts";
import { quantizeGraph } from "../../../src/quantize/quantize.ts";
import { readTflite } from "../../../src/tflite/read.ts";
import { writeTflite } from "../../../src/tflite/write.ts";
import { trainingBackend } from "../../../src/train/backend.ts";
import { networkFromGraph } from "../../../src/train/import-tflite.ts";
import { layerShapes } from "../../../src/train/network/description.ts";
import { graphFromNetwork } from "../../../src/train/network/to-graph.ts";
import { Network } from "../../../src/train/network.ts";
import { randomInput, randomParameters, smallNetwork, stripes } from "../../support/networks.ts";

beforeAll(async () => {
  await trainingBackend("cpu");
});

const WHOLE = smallNetwork();
const PLAIN = { description: WHOLE, parameters: randomParameters(WHOLE, 5) };
const HEADS = [
  ["conv1", "4s2"],
  ["block1", "dense"],
] as const;

function attach(heads: readonly (readonly [string, string])[] = HEADS) {
  return attachExits(
    PLAIN,
    heads.map(([name, kind]) => {
      const cut = cuts(WHOLE).find((one) => one.name === name)!;
      const head = freshHead(PLAIN, cut, kind, 2, 3);
      return { cut, head };
    }),
  );
}

const answers = (network: Network, input: Float32Array) =>
  tf.tidy(() =>
    network
      .forwardTo(tf.tensor(input, [1, 8, 8, 1]), outputLayers(network.description))
      .map((output) => output.dataSync<"float32">().slice()),
  );

describe("a network with exits", () => {
  test("answers in the end as it did without them, and at an exit as tail and head alone", () => {
    const { description, parameters } = attach();
    const network = new Network(description, parameters, "exits/");
    const plain = new Network(WHOLE, PLAIN.parameters, "plain/");
    const input = randomInput(WHOLE, 1);
    const [final, first] = answers(network, input);
    expect(final).toEqual(answers(plain, input)[0]);
    expect(first).not.toEqual(final);
    const cut = cuts(WHOLE)[0]!;
    const head = freshHead(PLAIN, cut, "4s2", 2, 3);
    const alone = new Network(head.description, head.parameters, "head/");
    const expected = tf.tidy(() =>
      alone
        .forward(plain.forward(tf.tensor(input, [1, 8, 8, 1]), { upTo: cut.layer }))
        .dataSync<"float32">()
        .slice(),
    );
    expect(first).toEqual(expected);
    for (const one of [network, plain, alone]) one.dispose();
  });

  test("computes no layer that a wanted output does not need", () => {
    const { description, parameters } = attach();
    const network = new Network(description, parameters, "needed/");
    const rounded: number[] = [];
    network.fakeQuantizer = {
      activation: (index: number, value: tf.Tensor) => {
        rounded.push(index);
        return value;
      },
      weights: (_: unknown, value: tf.Tensor) => value,
    } as unknown as NonNullable<typeof network.fakeQuantizer>;
    const upTo = description.exits![0]!.layer;
    tf.tidy(() => network.forward(tf.zeros([1, 8, 8, 1]), { upTo }));
    const names = rounded.map((index) => description.layers[index]?.name ?? "input");
    expect(names).toEqual(
      ["input", ...description.layers.map(({ name }) => name)].filter((n) => /^(input|conv1|exit0)/.test(n)),
    );
    rounded.length = 0;
    tf.tidy(() => network.forward(tf.zeros([1, 8, 8, 1])));
    expect(rounded.filter((index) => description.layers[index]?.name.startsWith("exit"))).toEqual([]);
    expect(rounded).toHaveLength(WHOLE.layers.length + 1);
    network.dispose();
  });

  test("has exits in order, on cuts, and once only", () => {
    expect(() => attach([HEADS[1], HEADS[0]])).toThrow(
      new ThumbnetError("small: exit conv1 comes before block1; give exits in order"),
    );
    const attached = attach();
    expect(() => attachExits(attached, [])).toThrow("small: has early exits; supported: networks without");
    expect(layerShapes(attached.description)).toHaveLength(attached.description.layers.length);
    const wrong = { ...attached.description, exits: [{ name: "exit0", layer: "block1/pointwise/relu" }] };
    expect(() => layerShapes(wrong)).toThrow(
      /exit "exit0" is layer "block1\/pointwise\/relu", which gives \[8,8,8\]/,
    );
    expect(() => layerShapes({ ...WHOLE, exits: [{ name: "x", layer: "dense" }] })).toThrow(
      /exit "x" is layer "dense"/,
    );
  });

  test("two on one cut come in the order given", () => {
    const { description } = attach([
      ["conv1", "4s2"],
      ["conv1", "dense"],
    ]);
    const heads = [...new Set(description.layers.map(({ name }) => name.split("/")[0]))];
    expect(heads).toEqual(["conv1", "exit0", "exit1", "block1", "block2", "pool", "dense"]);
  });
});

describe("its graph", () => {
  const tempered = () => {
    const { description, parameters } = attach();
    const exits = description.exits!.map((exit, i) => ({ ...exit, temperature: 2 + i }));
    return { description: { ...description, temperature: 0.5, exits }, parameters };
  };

  test("gives the final answer first, exits in order, each as soon as it is there, with its temperature", () => {
    const { description, parameters } = tempered();
    const graph = graphFromNetwork(description, parameters);
    expect(graph.outputs.map((tensor) => graph.tensors[tensor]!.name)).toEqual([
      "probabilities",
      "exit0",
      "exit1",
    ]);
    expect(graph.exits).toEqual([
      { tensor: graph.outputs[1], criterion: "top", thresholds: [1] },
      { tensor: graph.outputs[2], criterion: "top", thresholds: [1] },
    ]);
    const names = graph.operators.map((op) => graph.tensors[op.outputs[0]!]!.name);
    expect(names.indexOf("exit0")).toBeLessThan(names.indexOf("block1/depthwise"));
    expect(names.indexOf("exit1")).toBeLessThan(names.indexOf("block2/depthwise"));
    const network = new Network(description, parameters, "graph/");
    const input = randomInput(WHOLE, 2);
    const logits = answers(network, input);
    network.dispose();
    const model = new FloatModel(graph);
    const traced = model.trace(input);
    graph.outputs.forEach((output, i) => {
      const found = traced[graph.operators.findIndex((op) => op.outputs[0] === output)]!;
      const wanted = probabilities(logits[i]!, 2, [0.5, 2, 3][i]!);
      for (const [c, value] of found.entries()) expect(value).toBeCloseTo(wanted[c]!, 5);
    });
  });

  test("becomes a network again", () => {
    const { description, parameters } = tempered();
    const graph = graphFromNetwork(description, parameters);
    const bytes = writeTflite(tfliteFromGraph(graph));
    const again = networkFromGraph(graphFromTflite(readTflite(bytes, "again"), "again"));
    expect(again.description.temperature).toBeCloseTo(0.5, 6);
    expect(again.description.exits!.map(({ name }) => name)).toEqual(["exit0", "exit1"]);
    for (const [i, { temperature }] of again.description.exits!.entries()) {
      expect(temperature).toBeCloseTo(2 + i, 6);
    }
    const input = randomInput(WHOLE, 3);
    const networks = [
      new Network(description, parameters, "before/"),
      new Network(again.description, again.parameters, "after/"),
    ];
    const [before, after] = networks.map((network) => answers(network, input));
    for (const [i, values] of before!.entries()) {
      for (const [c, value] of values.entries()) expect(after![i]![c]).toBeCloseTo(value, 4);
    }
    for (const network of networks) network.dispose();
  });

  test("keeps exits in int8", () => {
    const { description, parameters } = tempered();
    const calibration = Array.from({ length: 20 }, (_, i) => randomInput(WHOLE, i));
    const int8 = quantizeGraph(graphFromNetwork(description, parameters), calibration);
    expect(int8.exits!.map(({ tensor }) => int8.tensors[tensor]!.name)).toEqual(["exit0", "exit1"]);
    expect(int8.outputs.slice(1)).toEqual(int8.exits!.map(({ tensor }) => tensor));
    for (const tensor of int8.outputs) {
      expect(int8.tensors[tensor]!.quantization).toEqual({ scales: [1 / 256], zeroPoints: [-128], axis: 0 });
    }
  });

  test("loses with an exit all that only it needs", () => {
    const { description, parameters } = attach();
    const graph = graphFromNetwork(description, parameters);
    const one = withExits(graph, [{ ...graph.exits![1]!, thresholds: [0.5] }]);
    const names = one.tensors.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("exit0"))).toEqual([]);
    expect(one.exits).toEqual([{ tensor: names.indexOf("exit1"), criterion: "top", thresholds: [0.5] }]);
    const none = withExits(graph, []);
    const plain = graphFromNetwork(WHOLE, PLAIN.parameters);
    expect(none.tensors.map(({ name }) => name).sort()).toEqual(plain.tensors.map(({ name }) => name).sort());
    expect(none).not.toHaveProperty("exits");
    const input = randomInput(WHOLE, 4);
    expect(new FloatModel(none).run(input)).toEqual(new FloatModel(plain).run(input));
  });
});

describe("the joint loss", () => {
  const { description, parameters } = attach();
  const examples: Examples = stripes([8, 8, 1], 6, 1);
  const inputs = new Float32Array(6 * 64);
  for (let i = 0; i < 6; i++) examples.write(i, inputs, i * 64, null);

  /** The loss, and how much of its gradient each group of parameters gets. */
  function gradients(
    weights: readonly number[],
    lesson: { temperature: number; share: number } | null,
    labelled = true,
  ) {
    const network = new Network(description, parameters, "joint/");
    const result = tf.tidy(() => {
      const x = tf.tensor4d(inputs, [6, 8, 8, 1]);
      const targets = labelled
        ? (tf.oneHot(tf.tensor1d(Array.from(examples.labels), "int32"), 2) as tf.Tensor2D)
        : tf.zeros<tf.Rank.R2>([6, 2]);
      const objective = exitObjective(null, { weights, lesson });
      const batch = { indices: new Uint32Array(6), variant: 0, inputs, labels: examples.labels };
      const { value, grads } = tf.variableGrads(
        () => objective({ network, x, targets, batch, training: { seed: 1 } }),
        network.trainable(),
      );
      const size = (prefix: string) =>
        Object.entries(grads)
          .filter(([name]) => network.parameterName(name).startsWith(prefix))
          .reduce((sum, [, gradient]) => sum + tf.sum(tf.abs(gradient)).dataSync()[0]!, 0);
      return {
        loss: value.dataSync()[0]!,
        exit0: size("exit0/"),
        exit1: size("exit1/"),
        trunk: size("block2/"),
      };
    });
    network.dispose();
    return result;
  }

  test("adds weighted losses of exits to that of the final answer", () => {
    const none = gradients([0, 0], null);
    const first = gradients([1, 0], null);
    const twice = gradients([2, 0], null);
    expect(twice.loss - first.loss).toBeCloseTo(first.loss - none.loss, 5);
    expect(first.loss).toBeGreaterThan(none.loss);
    expect([none.exit0, none.exit1, first.exit1]).toEqual([0, 0, 0]);
    expect(twice.exit0).toBeCloseTo(2 * first.exit0, 4);
  });

  test("without labels exits learn from the final answer, which does not learn from them", () => {
    const taught = gradients([1, 1], { temperature: 2, share: 0.5 }, false);
    expect(taught.exit0).toBeGreaterThan(0);
    expect(taught.exit1).toBeGreaterThan(0);
    expect(taught.trunk).toBe(0);
  });

  test("validation weighs outputs as the loss does", () => {
    const network = new Network(description, parameters, "valid/");
    const only = (weights: readonly number[]) => validateExits(network, examples, examples.labels, weights);
    const [final, both] = [only([0, 0]), only([1, 0])];
    const first = 2 * both.loss - final.loss;
    expect(only([3, 0]).loss).toBeCloseTo((final.loss + 3 * first) / 4, 5);
    network.dispose();
  });
});
