export { readTflite } from "./read.ts";
export type {
  TfliteModel,
  TfliteOperator,
  TfliteOperatorCode,
  TfliteSubgraph,
  TfliteTensor,
} from "./schema.ts";
export { writeTflite } from "./write.ts";
