// @ts-check
/**
 * node bench/peers/check-operators.mjs [SHARED]: whether the conversion to ONNX is right. Each operator of the
 * reference models becomes an ONNX model of its own and gets the exact input bytes; ONNX Runtime rounds once
 * where the Cortex-M0 kernels round twice, so its output may be one step off, never more.
 */
import * as ort from "onnxruntime-web/wasm";
import { graphFromTflite } from "../../dist/graph/from-tflite.js";
import { loadModel } from "../../dist/index.js";
import { readTflite } from "../../dist/tflite/index.js";
import { referenceRoot, referenceSuites } from "./reference-models.mjs";
import { onnxFromGraph } from "./to-onnx.mjs";

const INPUTS = 12;

/** int8 bytes as uint8 = int8 + 128, and back. @param {Uint8Array} bytes */
const flipped = (bytes) => bytes.map((byte) => byte ^ 0x80);

ort.env.wasm.numThreads = 1;
let [passed, failed] = [0, 0];
for (const suite of referenceSuites(referenceRoot(process.argv[2]))) {
  const graph = graphFromTflite(readTflite(suite.tflite, suite.model), suite.model);
  const exact = await loadModel(suite.tflite, { name: suite.model });
  const inputs = suite.inputs.slice(0, INPUTS);
  const traces = inputs.map((input) => exact.trace(input).map((entry) => flipped(entry.bytes)));
  /** Stored content of each activation for each input. @type {Map<number | undefined, Uint8Array[]>} */
  const contents = new Map([[graph.inputs[0], inputs.map((input) => flipped(Uint8Array.from(input)))]]);

  for (const [index, operator] of graph.operators.entries()) {
    const operands = operator.inputs.filter((i) => graph.tensors[i]?.data === null);
    const single = { ...graph, operators: [operator], inputs: operands, outputs: operator.outputs };
    const session = await ort.InferenceSession.create(onnxFromGraph(single));
    let [different, elements, largest] = [0, 0, 0];
    for (const n of inputs.keys()) {
      const feeds = Object.fromEntries(
        operands.map((operand, i) => {
          const content = contents.get(operand)?.[n] ?? new Uint8Array();
          return [session.inputNames[i], new ort.Tensor("uint8", content, graph.tensors[operand]?.shape)];
        }),
      );
      const [result] = Object.values(await session.run(feeds));
      for (const [i, value] of (traces[n]?.[index] ?? []).entries()) {
        const difference = Math.abs(value - Number(result?.data[i]));
        elements++;
        if (difference !== 0) different++;
        if (!(difference <= largest)) largest = difference;
      }
    }
    await session.release();
    contents.set(
      operator.outputs[0],
      traces.map((trace) => trace[index] ?? new Uint8Array()),
    );
    if (largest <= 1 && elements > 0) passed++;
    else failed++;
    const share = ((100 * different) / elements).toFixed(3);
    console.log(
      `${suite.name} ${index} ${operator.kind}: ${share} % of ${elements} differ, by ${largest} at most`,
    );
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
