// @ts-check
import { encodeModel } from "./onnx-format.mjs";

/** @import { Graph, Quantization, Tensor } from "../../src/graph/graph.ts" */
/** @import { Attribute, ElementType, OnnxNode, OnnxTensor } from "./onnx-format.mjs" */

const MICROSOFT = "com.microsoft";
const STANDARD_OPSET = 17;

/** Collects the nodes and constants of an ONNX model; knows how the tensors of the graph are stored in it. */
export class OnnxBuilder {
  /** @type {OnnxNode[]} */
  #nodes = [];
  /** @type {Map<string, OnnxTensor>} */
  #constants = new Map();
  #graph;

  /** @param {Graph} graph */
  constructor(graph) {
    this.#graph = graph;
  }

  /** @returns {Uint8Array} the model, with the graph's inputs and outputs in their order */
  encode() {
    /** @param {number} index */
    const value = (index) => {
      const tensor = this.tensor(index);
      checkActivation(tensor);
      return { name: this.name(index), type: /** @type {const} */ ("uint8"), shape: tensor.shape };
    };
    return encodeModel(this.#graph.name, {
      nodes: this.#nodes,
      constants: [...this.#constants.values()],
      inputs: this.#graph.inputs.map(value),
      outputs: this.#graph.outputs.map(value),
      opsets: { "": STANDARD_OPSET, [MICROSOFT]: 1 },
    });
  }

  /**
   * Adds a node of the standard operator set.
   * @param {string} op @param {readonly string[]} inputs @param {string} output
   * @param {Readonly<Record<string, Attribute>>} [attributes]
   */
  standard(op, inputs, output, attributes = {}) {
    this.#nodes.push({ op, domain: "", inputs, outputs: [output], attributes });
  }

  /**
   * Adds a node of ONNX Runtime's own operator set, where most quantised operators are.
   * @param {string} op @param {readonly string[]} inputs @param {string} output
   * @param {Readonly<Record<string, Attribute>>} [attributes]
   */
  microsoft(op, inputs, output, attributes = {}) {
    this.#nodes.push({ op, domain: MICROSOFT, inputs, outputs: [output], attributes });
  }

  /**
   * @param {string} operand @param {readonly number[]} shape @param {string} output
   * @returns {string} `output`
   */
  reshape(operand, shape, output) {
    this.standard("Reshape", [operand, this.int64(`${output}_shape`, shape)], output);
    return output;
  }

  /** @param {number | undefined} index */
  name(index) {
    return `t${index}`;
  }

  /** @param {number | undefined} index */
  tensor(index = -1) {
    const tensor = this.#graph.tensors[index];
    if (tensor === undefined) throw new Error(`there is no tensor ${index}`);
    return tensor;
  }

  /** @param {number | undefined} index @returns {Quantization} */
  quantization(index) {
    const { name, quantization } = this.tensor(index);
    if (quantization === null) throw new Error(`tensor ${name} has no scale`);
    return quantization;
  }

  /**
   * Names of an activation, its scale and its zero point.
   * @param {number | undefined} index
   * @returns {[string, string, string]}
   */
  quantised(index) {
    return [this.operand(index), ...this.affine(index)];
  }

  /** @param {number | undefined} index an activation, or a constant in its place */
  operand(index) {
    const tensor = this.tensor(index);
    const shift = storedShift(tensor);
    const name = this.name(index);
    return tensor.data === null
      ? name
      : this.#constant(
          name,
          "uint8",
          tensor.shape,
          tensor.data.map((byte) => byte + shift),
        );
  }

  /**
   * Names of an activation's scale and zero point. A factor on the scale makes them another pair.
   * @param {number | undefined} index @param {number} [factor]
   * @returns {[string, string]}
   */
  affine(index, factor = 1) {
    const { scales } = this.quantization(index);
    const name = factor === 1 ? this.name(index) : `${this.name(index)}_times_${factor}`;
    return [
      this.#constant(
        `${name}_scale`,
        "float32",
        [],
        Float32Array.from(scales, (scale) => scale * factor),
      ),
      this.#constant(`${name}_zero`, "uint8", [], Uint8Array.of(this.storedZero(index))),
    ];
  }

  /** @param {number | undefined} index @returns {number} the zero point of an activation as it is stored, 0..255 */
  storedZero(index) {
    const { name, quantization } = this.tensor(index);
    const [zeroPoint, second] = this.quantization(index).zeroPoints;
    if (zeroPoint === undefined || second !== undefined) {
      throw new Error(`activation ${name} has ${quantization?.scales.length} scales instead of one`);
    }
    return zeroPoint + storedShift(this.tensor(index));
  }

  /**
   * Names of constant int8 weights, their scales and zero points. Element [i,j,..] of the new shape is the
   * one at the sum of index * stride.
   * @param {number | undefined} index
   * @param {"int8" | "uint8"} type stored as; uint8 is int8 + 128
   * @param {readonly number[]} shape @param {readonly number[]} strides
   * @returns {[string, string, string]}
   */
  weights(index, type, shape, strides) {
    const { name, dtype, data } = this.tensor(index);
    if (data === null || dtype !== "int8") throw new Error(`weights ${name} must be constant int8`);
    const { scales, zeroPoints } = this.quantization(index);
    const size = scales.length === 1 ? [] : [scales.length];
    const shift = type === "uint8" ? 128 : 0;
    const content = gather(data, shape, strides).map((byte) => byte + shift);
    const zeros = Uint8Array.from(zeroPoints, (zeroPoint) => zeroPoint + shift);
    return [
      this.#constant(`w${index}`, type, shape, content),
      this.#constant(`w${index}_scale`, "float32", size, Float32Array.from(scales)),
      this.#constant(`w${index}_zero`, type, size, zeros),
    ];
  }

  /** @param {number | undefined} index of a constant int32 bias; -1: none @returns {string} "" when there is none */
  bias(index = -1) {
    if (index === -1) return "";
    const { name, dtype, shape, data } = this.tensor(index);
    if (data === null || dtype !== "int32") throw new Error(`bias ${name} must be constant int32`);
    return this.#constant(`b${index}`, "int32", shape, data);
  }

  /** @param {number | undefined} index of a constant int32 or int64 tensor @returns {number[]} its elements */
  integers(index) {
    const { name, dtype, data } = this.tensor(index);
    if (data === null || (dtype !== "int32" && dtype !== "int64")) {
      throw new Error(`tensor ${name} must be constant int32 or int64`);
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    return dtype === "int32"
      ? Array.from({ length: data.length / 4 }, (_, i) => view.getInt32(4 * i, true))
      : Array.from({ length: data.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  }

  /** @param {string} name @param {readonly number[]} values */
  int64(name, values) {
    return this.#constant(name, "int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** @param {string} name @param {number} value 0..255 */
  uint8(name, value) {
    return this.#constant(name, "uint8", [], Uint8Array.of(value));
  }

  /** @param {string} name @param {ElementType} type @param {readonly number[]} shape @param {ArrayBufferView} content */
  #constant(name, type, shape, content) {
    const data = new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
    this.#constants.set(name, { name, type, shape, data });
    return name;
  }
}

/** @param {Tensor} tensor */
function checkActivation({ name, dtype }) {
  if (dtype !== "int8" && dtype !== "uint8") throw new Error(`tensor ${name} is ${dtype}, not int8 or uint8`);
}

/** @param {Tensor} tensor @returns {0 | 128} what is added to an activation's elements to store them as uint8 */
function storedShift(tensor) {
  checkActivation(tensor);
  return tensor.dtype === "int8" ? 128 : 0;
}

/** @param {Uint8Array} data @param {readonly number[]} shape @param {readonly number[]} strides */
function gather(data, shape, strides) {
  let offsets = [0];
  for (const [axis, size] of shape.entries()) {
    const stride = strides[axis] ?? 0;
    offsets = offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset + i * stride));
  }
  return Uint8Array.from(offsets, (offset) => data[offset] ?? 0);
}
