export { ThumbnetError } from "../errors.ts";
export { cutNetwork, freshHead, type PlainNetwork } from "./depth/cut-network.ts";
export { type Cut, cuts, findCut } from "./depth/cuts.ts";
export {
  type AddedNetwork,
  type DepthComparison,
  type DepthHooks,
  type DepthOptions,
  pruneDepth,
} from "./depth/depth.ts";
export { HEADS, type HeadOptions, headFor } from "./depth/heads.ts";
export { PUBLISHED, PUBLISHED_SOURCE, type PublishedSet } from "./depth/published.ts";
export type { DepthReport, ReportEntry } from "./depth/report.ts";
export { writeDepthReport } from "./depth/write-report.ts";
export { type AttachedExit, attachExits } from "./exits/attach.ts";
export {
  type ExitTrainHooks,
  type ExitTrainOptions,
  type TrainedExits,
  trainExits,
} from "./exits/train-exits.ts";
export { type Tuned, type TuneOptions, type TuneReport, type TuneTarget, tuneExits } from "./exits/tune.ts";
