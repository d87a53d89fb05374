import type { Exit, Graph, Operator, Quantization, Tensor } from "../../src/graph/graph.ts";
import { elementCount } from "../../src/graph/shape.ts";
import { constant, integers, perChannel, probabilities, quantization, tensor } from "../tflite/samples.ts";
import { Random } from "./random.ts";

const WINDOW = { padding: "SAME", strideHeight: 1, strideWidth: 1, activation: "RELU6" } as const;

/**
 * A small whole network of three outputs: a convolution of [1,6,6,1], behind it exit 0, two more blocks with exit 1
 * between them, and the final output. The file's outputs are the final one, exit 0, exit 1.
 */
export function exitNetwork(classes = 3, exits: readonly Partial<Exit>[] = [{}, {}]): Graph {
  const tensors: Tensor[] = [];
  const operators: Operator[] = [];
  const add = (made: Tensor) => tensors.push(made) - 1;
  const random = new Random(7);
  const weights = (name: string, shape: number[], quantization: Quantization) => {
    const data = Uint8Array.from({ length: elementCount(shape) }, () => random.integer(-127, 127) & 255);
    return add(constant(name, shape, { quantization, data }));
  };
  const convolution = (input: number, name: string) => {
    const [depth, scales] = [tensors[input]!.shape[3]!, [0.002, 0.003, 0.004, 0.005]];
    const inputs = [
      input,
      weights(`${name}/w`, [4, 3, 3, depth], perChannel(0, ...scales)),
      add(integers(`${name}/bias`, [4], [300, -200, 100, 0])),
    ];
    const output = add(tensor(name, [1, 6, 6, 4]));
    operators.push({
      kind: "CONV_2D",
      inputs,
      outputs: [output],
      options: { ...WINDOW, dilationHeight: 1, dilationWidth: 1 },
    });
    return output;
  };
  const head = (input: number, name: string) => {
    const pooled = add(tensor(`${name}/pool`, [1, 1, 1, 4]));
    operators.push({
      kind: "AVERAGE_POOL_2D",
      inputs: [input],
      outputs: [pooled],
      options: { ...WINDOW, padding: "VALID", filterHeight: 6, filterWidth: 6, activation: "NONE" },
    });
    const logits = add(tensor(`${name}/logits`, [1, classes]));
    const dense = weights(`${name}/w`, [classes, 4], quantization(0.02));
    const options = { activation: "NONE", keepNumDims: false } as const;
    operators.push({ kind: "FULLY_CONNECTED", inputs: [pooled, dense, -1], outputs: [logits], options });
    const output = add(tensor(name, [1, classes], probabilities));
    operators.push({ kind: "SOFTMAX", inputs: [logits], outputs: [output], options: { beta: 1 } });
    return output;
  };
  const input = add(tensor("input", [1, 6, 6, 1]));
  const first = convolution(input, "block1");
  const exit0 = head(first, "exit0");
  const second = convolution(first, "block2");
  const exit1 = head(second, "exit1");
  const final = head(convolution(second, "block3"), "final");
  const outputs = [exit0, exit1].slice(0, exits.length);
  return {
    name: "exit network",
    tensors,
    operators,
    inputs: [input],
    outputs: [final, ...outputs],
    exits: outputs.map((tensor, i) => ({ tensor, criterion: "top", thresholds: [0.75], ...exits[i] })),
  };
}
