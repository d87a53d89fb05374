// @ts-check
/**
 * The few protobuf messages of the ONNX file format that a converted model needs, written field by field.
 * Field numbers are those of onnx.proto.
 */

/** @typedef {number | readonly number[]} Attribute an integer, or a list of them */
/** @typedef {keyof typeof ELEMENT_TYPES} ElementType */

/**
 * @typedef {object} OnnxNode
 * @property {string} op
 * @property {string} domain "" for standard operators
 * @property {readonly string[]} inputs
 * @property {readonly string[]} outputs
 * @property {Readonly<Record<string, Attribute>>} attributes
 */

/**
 * @typedef {object} OnnxTensor
 * @property {string} name
 * @property {ElementType} type
 * @property {readonly number[]} shape
 * @property {Uint8Array} data little-endian
 */

/**
 * @typedef {object} OnnxValue
 * @property {string} name
 * @property {ElementType} type
 * @property {readonly number[]} shape
 */

const ELEMENT_TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 };
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;
const IR_VERSION = 8;

/**
 * @param {string} graphName
 * @param {{ nodes: readonly OnnxNode[], constants: readonly OnnxTensor[], inputs: readonly OnnxValue[],
 *   outputs: readonly OnnxValue[], opsets: Readonly<Record<string, number>> }} content
 * @returns {Uint8Array} a ModelProto
 */
export function encodeModel(graphName, { nodes, constants, inputs, outputs, opsets }) {
  const graph = [
    ...nodes.map((node) => bytes(1, encodeNode(node))),
    string(2, graphName),
    ...constants.map((tensor) => bytes(5, encodeTensor(tensor))),
    ...inputs.map((value) => bytes(11, encodeValue(value))),
    ...outputs.map((value) => bytes(12, encodeValue(value))),
  ];
  return concat([
    integer(1, IR_VERSION),
    string(2, "thumbnet-bench-peers"),
    bytes(7, concat(graph)),
    ...Object.entries(opsets).map(([domain, version]) =>
      bytes(8, concat([string(1, domain), integer(2, version)])),
    ),
  ]);
}

/** @param {OnnxNode} node */
function encodeNode({ op, domain, inputs, outputs, attributes }) {
  return concat([
    ...inputs.map((name) => string(1, name)),
    ...outputs.map((name) => string(2, name)),
    string(4, op),
    ...Object.entries(attributes).map(([name, value]) => bytes(5, encodeAttribute(name, value))),
    string(7, domain),
  ]);
}

/** @param {string} name @param {Attribute} value */
function encodeAttribute(name, value) {
  return typeof value === "number"
    ? concat([string(1, name), integer(3, value), integer(20, ATTRIBUTE_INT)])
    : concat([string(1, name), ...value.map((item) => integer(8, item)), integer(20, ATTRIBUTE_INTS)]);
}

/** @param {OnnxTensor} tensor */
function encodeTensor({ name, type, shape, data }) {
  return concat([
    ...shape.map((dimension) => integer(1, dimension)),
    integer(2, ELEMENT_TYPES[type]),
    string(8, name),
    bytes(9, data),
  ]);
}

/** @param {OnnxValue} value */
function encodeValue({ name, type, shape }) {
  const dimensions = shape.map((dimension) => bytes(1, integer(1, dimension)));
  const tensorType = concat([integer(1, ELEMENT_TYPES[type]), bytes(2, concat(dimensions))]);
  return concat([string(1, name), bytes(2, bytes(1, tensorType))]);
}

/** @param {number} field @param {number} value */
function integer(field, value) {
  return concat([varint(field << 3), varint(value)]);
}

/** @param {number} field @param {string} text */
function string(field, text) {
  return bytes(field, new TextEncoder().encode(text));
}

/** @param {number} field @param {Uint8Array} content */
function bytes(field, content) {
  return concat([varint((field << 3) | 2), varint(content.length), content]);
}

/** @param {number} value an integer, |value| < 2^53 */
function varint(value) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

/** @param {readonly Uint8Array[]} parts */
function concat(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
