/**
 * TensorFlow Lite's schema (version 3), as far as thumbnet reads it: tables, operators, element types.
 *
 * Facts: the public schema.fbs of TensorFlow Lite; operator versions: its op_version.cc.
 */
import type { OperatorKind } from "../graph/graph.ts";
import type { DecodedTable, Table } from "./flatbuffer.ts";

export const IDENTIFIER = "TFL3";
export const SCHEMA_VERSION = 3;

/** Names by the number in the file. */
export const TENSOR_TYPES = (
  "FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 COMPLEX128 UINT64 RESOURCE " +
  "VARIANT UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4 FLOAT8_E4M3FN FLOAT8_E5M2"
).split(" ");
export const PADDINGS = ["SAME", "VALID"] as const;
export const ACTIVATIONS = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"] as const;

/** Every builtin operator's name by its code, so that one that is not supported can be named. */
export const BUILTIN_OPERATORS = (
  "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP " +
  "FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC " +
  "LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX " +
  "SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD " +
  "UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE " +
  "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX " +
  "DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER " +
  "GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL " +
  "LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND " +
  "LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE " +
  "RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N " +
  "GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF " +
  "WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL " +
  "PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS " +
  "HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE " +
  "READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL " +
  "GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM " +
  "ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD " +
  "STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP " +
  "STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE " +
  "STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL " +
  "STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER " +
  "STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER " +
  "STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD " +
  "STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE " +
  "STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE " +
  "STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE"
).split(" ");

/**
 * The options of supported operators, by their type code in the BuiltinOptions union. Fields that
 * `OperatorOptions` has too bear its names. Other operators' options are read as a table without fields.
 */
export const OPTIONS = {
  1: {
    padding: [0, "i8"],
    strideWidth: [1, "i32"],
    strideHeight: [2, "i32"],
    activation: [3, "i8"],
    dilationWidth: [4, "i32", 1],
    dilationHeight: [5, "i32", 1],
    quantizedBiasType: [6, "i8"],
  },
  2: {
    padding: [0, "i8"],
    strideWidth: [1, "i32"],
    strideHeight: [2, "i32"],
    depthMultiplier: [3, "i32"],
    activation: [4, "i8"],
    dilationWidth: [5, "i32", 1],
    dilationHeight: [6, "i32", 1],
  },
  5: {
    padding: [0, "i8"],
    strideWidth: [1, "i32"],
    strideHeight: [2, "i32"],
    filterWidth: [3, "i32"],
    filterHeight: [4, "i32"],
    activation: [5, "i8"],
  },
  8: {
    activation: [0, "i8"],
    weightsFormat: [1, "i8"],
    keepNumDims: [2, "bool"],
    asymmetricQuantizeInputs: [3, "bool"],
    quantizedBiasType: [4, "i8"],
  },
  9: { beta: [0, "f32"] },
  10: { axis: [0, "i32"], activation: [1, "i8"] },
  11: { activation: [0, "i8"], potScaleInt16: [1, "bool", true] },
  17: { newShape: [0, ["i32"]] },
  21: { activation: [0, "i8"] },
  22: {},
  27: { keepDims: [0, "bool"] },
  28: { activation: [0, "i8"], potScaleInt16: [1, "bool", true] },
  30: { squeezeDims: [0, ["i32"]] },
  38: {},
  52: {},
  89: {},
} as const satisfies { [code: number]: Table };

export type OptionsCode = 0 | keyof typeof OPTIONS;

/**
 * Of each supported operator: the type code of its options (0 = it has none), and the latest version whose
 * meaning thumbnet knows. Later versions may mean something else by the same bytes.
 */
export const OPERATORS: Record<OperatorKind, readonly [options: OptionsCode, latest: number]> = {
  CONV_2D: [1, 8],
  DEPTHWISE_CONV_2D: [2, 7],
  FULLY_CONNECTED: [8, 14],
  AVERAGE_POOL_2D: [5, 3],
  MAX_POOL_2D: [5, 3],
  ADD: [11, 6],
  SUB: [28, 5],
  MUL: [21, 8],
  PAD: [22, 5],
  MEAN: [27, 3],
  CONCATENATION: [10, 5],
  RESHAPE: [17, 1],
  SQUEEZE: [30, 2],
  EXPAND_DIMS: [52, 1],
  SOFTMAX: [9, 3],
  LOGISTIC: [0, 3],
  RELU: [0, 3],
  RELU6: [0, 3],
  QUANTIZE: [89, 5],
  DEQUANTIZE: [38, 8],
};

export const QUANTIZATION_PARAMETERS = {
  min: [0, ["f32"]],
  max: [1, ["f32"]],
  scale: [2, ["f32"]],
  zeroPoint: [3, ["i64"]],
  details: [4, ["union", { 1: { custom: [0, ["u8"]] } }]],
  quantizedDimension: [6, "i32"],
} as const satisfies Table;

export const TENSOR = {
  shape: [0, ["i32"]],
  /** Index into `TENSOR_TYPES`. */
  type: [1, "i8"],
  buffer: [2, "u32"],
  name: [3, "string"],
  quantization: [4, QUANTIZATION_PARAMETERS],
  isVariable: [5, "bool"],
  sparsity: [6, "opaque"],
  shapeSignature: [7, ["i32"]],
  hasRank: [8, "bool"],
  variantTensors: [9, "opaque"],
  externalBuffer: [10, "u32"],
} as const satisfies Table;

export const OPERATOR = {
  opcodeIndex: [0, "u32"],
  inputs: [1, ["i32"]],
  outputs: [2, ["i32"]],
  builtinOptions: [3, ["union", OPTIONS]],
  customOptions: [5, ["u8"]],
  customOptionsFormat: [6, "i8"],
  mutatingVariableInputs: [7, ["bool"]],
  intermediates: [8, ["i32"]],
  largeCustomOptionsOffset: [9, "u64"],
  largeCustomOptionsSize: [10, "u64"],
  builtinOptions2: [11, ["union", {}]],
  debugMetadataIndex: [13, "i32", -1],
} as const satisfies Table;

export const SUBGRAPH = {
  tensors: [0, [TENSOR]],
  inputs: [1, ["i32"]],
  outputs: [2, ["i32"]],
  operators: [3, [OPERATOR]],
  name: [4, "string"],
  debugMetadataIndex: [5, "i32", -1],
} as const satisfies Table;

export const OPERATOR_CODE = {
  deprecatedBuiltinCode: [0, "i8"],
  customCode: [1, "string"],
  version: [2, "i32", 1],
  builtinCode: [3, "i32"],
} as const satisfies Table;

export const BUFFER = {
  data: [0, ["u8"]],
  /** Where the data lies in a file of more than 2 GB, behind the flatbuffer. */
  offset: [1, "u64"],
  size: [2, "u64"],
} as const satisfies Table;

const TENSOR_MAP = { name: [0, "string"], tensorIndex: [1, "u32"] } as const satisfies Table;

export const MODEL = {
  version: [0, "u32"],
  operatorCodes: [1, [OPERATOR_CODE]],
  subgraphs: [2, [SUBGRAPH]],
  description: [3, "string"],
  buffers: [4, [BUFFER]],
  metadataBuffer: [5, ["i32"]],
  metadata: [6, [{ name: [0, "string"], buffer: [1, "u32"] }]],
  signatureDefs: [
    7,
    [
      {
        inputs: [0, [TENSOR_MAP]],
        outputs: [1, [TENSOR_MAP]],
        signatureKey: [2, "string"],
        deprecatedTag: [3, "string"],
        subgraphIndex: [4, "u32"],
      },
    ],
  ],
  externalBufferGroups: [8, "opaque"],
  externalBuffers: [9, "opaque"],
} as const satisfies Table;

export type TfliteTensor = DecodedTable<typeof TENSOR>;
export type TfliteOperator = DecodedTable<typeof OPERATOR>;
export type TfliteOperatorCode = DecodedTable<typeof OPERATOR_CODE>;
export type TfliteSubgraph = DecodedTable<typeof SUBGRAPH>;

/**
 * A `.tflite` file as plain objects, nothing added and nothing dropped: see `DecodedTable` for how values are
 * held. What the schema here does not describe is marked (`undescribed`, opaque fields) and cannot be written.
 */
export type TfliteModel = DecodedTable<typeof MODEL>;
