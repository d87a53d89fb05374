import { describe, expect, it } from "vitest";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { readTflite, writeTflite } from "../../src/tflite/index.ts";
import { BUILTIN_OPERATORS } from "../../src/tflite/schema.ts";

/**
 * A model that FlatBuffers' own compiler wrote with TensorFlow Lite's schema: every option of every supported
 * operator, and every other field of the schema, has a value of its own.
 */
const BYTES = Buffer.from(
  [
    "KAAAAFRGTDMAAAAAAAAAABgALAAEAAgADAAQABQAGAAcACAAJAAoABgAAAADAAAASAUAAAgBAACkBQAA3AAAANAAAACoAAAANAAA",
    "AAgAAAAcAAAAAQAAAAQAAAB++///BAAAAAEAAABnAAAAAQAAAAQAAACW+///BgAAAAEAAAAUAAAAAAAOABQABAAIAAwAAAAQAA4A",
    "AAA4AAAAGAAAAAgAAAADAAAABQAAAHNlcnZlAAAAAQAAAAQAAADI////CAAAAAIAAAADAAAAb3V0AAEAAAAEAAAA5P///wgAAAAB",
    "AAAAAgAAAGluAAABAAAADAAAAAgADAAEAAgACAAAAAgAAAABAAAAAQAAAG0AAAABAAAAAQAAAAIAAAAcAAAABAAAAEb8//8EAAAA",
    "BgAAAAECAwQFBgAATP///wEAAAAUAAAAEAAcAAQACAAMABAAFAAYABAAAACwAgAACAQAAPgDAAAMAAAABAQAAAUAAAAOAAAAQAIA",
    "APABAACoAQAAcAEAAFgBAAA0AQAAFAEAAPwAAADcAAAAuAAAAJgAAACAAAAAaAAAACQAAAAgACAACAAAAAAAAAAAAAwAAAAQABQA",
    "AAAAAAcAGAAcACAAAAAAAAASAQAAACwAAAAgAAAAFAAAAAwAAAAEAAAABAAEAAQAAAABAAAABwAAAAIAAAABAAAAAwAAAAECAwD2",
    "/v//AAAASwQAAAA6/f//AAAAPwr///8AAAAbBAAAAK7///8AAAABHv///wAAAB4EAAAAYv3//wQAAAABAAAAAQAAADr///8AAAAR",
    "BAAAAH79//8EAAAAAgAAAAYAAAAHAAAAFv///wAAABUMAAAAAAAGAAgABwAGAAAAAAAAAXb///8AAAAcBAAAAOz///8AAAMAiv//",
    "/wAAAAsMAAAACAAIAAYABwAIAAAAAAABAKb///8AAAAKDAAAAAgADAAIAAcACAAAAAAAAAX+////xv///wAAAAkEAAAACv7//wAA",
    "QD+W////AAAACBQAAAAAAA4ACgAFAAYABwAIAAkADgAAAAAEAQEBAg4ADAAAAAAAAAAHAAgADgAAAAAAAAUUAAAAEAAaAAYACAAM",
    "ABAAFAAHABAAAAAAAAECAgAAAAMAAAAEAAAABQAAAAAADgAOAAAAAAAAAAcACAAOAAAAAAAAAhgAAAAAABIAHgAGAAgADAAQAAcA",
    "FAAYABIAAAAAAAEBAgAAAAMAAAAGAAAABAAAAAUAAAAAAA4AFgAAAAgADAAHABAADgAAAAAAAAFAAAAANAAAABgAAAAAABIAGAAF",
    "AAgADAAGABAAFAAHABIAAAAAAQMEAgAAAAMAAAAEAAAABQAAAAEAAAABAAAAAgAAAAAAAAD/////AgAAAIAAAAAgAAAAAAAaABgA",
    "AAAHAAAACAAAAAAADAAAAAAAEAAUABoAAAAAAAASOAAAACQAAAAIAAAABgAAAAEAAAAMAAAACAAIAAAABwAIAAAAAAAAEYL///8E",
    "AAAAAQAAAAAAAAABAAAAYgAWAB4ACAAFAAwAEAAUAAYAAAAYAAcAFgAAAAAJAQG0AAAAAQAAAKQAAAAcAAAAjAAAAAAAEgAiAAgA",
    "DAAQABQABwAYABwAEgAAAAAAAAFkAAAAWAAAAEgAAAAsAAAAEAAAAAEAAAAAAAYACAAEAAYAAAAEAAAAAgAAAAkIAAAAAAAAAAAA",
    "AAIAAAADAAAAAAAAAPz/////////AAAAAAIAAAAAAIA+AAAAPgEAAAAAACBAAQAAAAAAwL8DAAAA/////wIAAAADAAAAAQAAAGEA",
    "AAADAAAAAQAAAAIAAAADAAAAAgAAAAEAAAAAAAAAAQAAAAAAAAAEAAAAbWFpbgAAAAADAAAAUAAAACQAAAAEAAAAyP///wAAAH8C",
    "AAAAlgAAAAwAEAAHAAgAAAAMAAwAAAAAAAAgCAAAACAAAAAEAAAATWluZQAAAAAMABAABwAAAAgADAAMAAAAAAAAAwMAAAADAAAA",
    "DQAAAG1hZGUgYnkgZmxhdGMAAAA=",
  ].join(""),
  "base64",
);

const window = { padding: 1, strideWidth: 2, strideHeight: 3 };
const dilation = { dilationWidth: 4, dilationHeight: 5 };

describe("a model that flatc wrote", () => {
  const model = readTflite(BYTES, "flatc");
  const [subgraph] = model.subgraphs!;

  it("has every field of the schema", () => {
    expect(model).toMatchObject({
      version: 3,
      description: "made by flatc",
      operatorCodes: [
        { deprecatedBuiltinCode: 3, customCode: null, version: 3, builtinCode: 3 },
        { deprecatedBuiltinCode: 32, customCode: "Mine", version: 1, builtinCode: 32 },
        { deprecatedBuiltinCode: 127, customCode: null, version: 2, builtinCode: 150 },
      ],
      buffers: [{ data: null }, { data: Uint8Array.of(1, 2, 3, 4, 5, 6) }],
      metadataBuffer: [1],
      metadata: [{ name: "m", buffer: 1 }],
      signatureDefs: [
        {
          inputs: [{ name: "in", tensorIndex: 1 }],
          outputs: [{ name: "out", tensorIndex: 2 }],
          signatureKey: "serve",
          subgraphIndex: 3,
        },
      ],
      externalBuffers: true,
      externalBufferGroups: true,
    });
    expect(subgraph).toMatchObject({ inputs: [0], outputs: [1, 0], name: "main", debugMetadataIndex: 5 });
    expect(subgraph!.tensors).toEqual([
      {
        shape: [1, 2, 3],
        type: 9,
        buffer: 1,
        name: "a",
        quantization: {
          min: [-1.5],
          max: [2.5],
          scale: [0.25, 0.125],
          zeroPoint: [3n, -4n],
          details: { type: 1, table: { custom: Uint8Array.of(9, 8) } },
          quantizedDimension: 1,
        },
        isVariable: true,
        sparsity: false,
        shapeSignature: [-1, 2, 3],
        hasRank: true,
        variantTensors: false,
        externalBuffer: 0,
      },
      {
        shape: null,
        type: 18,
        buffer: 0,
        name: "b",
        quantization: null,
        isVariable: false,
        sparsity: true,
        shapeSignature: null,
        hasRank: false,
        variantTensors: true,
        externalBuffer: 6,
      },
    ]);
    expect(subgraph!.operators!.at(-1)).toEqual({
      opcodeIndex: 1,
      inputs: null,
      outputs: null,
      builtinOptions: null,
      customOptions: Uint8Array.of(1, 2, 3),
      customOptionsFormat: 0,
      mutatingVariableInputs: [true, false],
      intermediates: [7],
      largeCustomOptionsOffset: 0n,
      largeCustomOptionsSize: 0n,
      builtinOptions2: { type: 18, table: {} },
      debugMetadataIndex: 4,
    });
  });

  it("has every option of supported operators, and marks those of others", () => {
    expect(subgraph!.operators!.slice(0, -1).map((operator) => operator.builtinOptions)).toEqual([
      { type: 1, table: { ...window, activation: 3, ...dilation, quantizedBiasType: 4 } },
      { type: 2, table: { ...window, activation: 1, ...dilation, depthMultiplier: 6 } },
      { type: 5, table: { ...window, activation: 2, filterWidth: 4, filterHeight: 5 } },
      {
        type: 8,
        table: {
          activation: 4,
          weightsFormat: 1,
          keepNumDims: true,
          asymmetricQuantizeInputs: true,
          quantizedBiasType: 2,
        },
      },
      { type: 9, table: { beta: 0.75 } },
      { type: 10, table: { axis: -2, activation: 5 } },
      { type: 11, table: { activation: 1, potScaleInt16: false } },
      { type: 28, table: { activation: 3, potScaleInt16: false } },
      { type: 21, table: { activation: 1 } },
      { type: 17, table: { newShape: [6, 7] } },
      { type: 30, table: { squeezeDims: [1] } },
      { type: 27, table: { keepDims: true } },
      { type: 75, table: { undescribed: [0] } }, // LeakyReluOptions
    ]);
  });

  it("cannot be imported, nor written without loss", () => {
    expect(() => graphFromTflite(model, "flatc")).toThrow(
      'tensor 1 "b": has the element type BFLOAT16; is sparse',
    );
    expect(() => writeTflite(model)).toThrow(
      "model: thumbnet does not know the content of externalBufferGroups",
    );
  });
});

it("numbers operators as the schema does", () => {
  const codes = {
    CUSTOM: 32,
    MEAN: 40,
    EXPAND_DIMS: 70,
    QUANTIZE: 114,
    PLACEHOLDER_FOR_GREATER_OP_CODES: 127,
    GELU: 150,
    STABLEHLO_SCATTER: 190,
    STABLEHLO_CASE: 209,
  };
  const found = Object.keys(codes).map((name) => [name, BUILTIN_OPERATORS.indexOf(name)]);
  expect(Object.fromEntries(found)).toEqual(codes);
  expect(BUILTIN_OPERATORS.length).toBe(210);
});
