// The one entry of both builds: `asconfig.json` compiles it without SIMD and with it, and the exports are the same.
export { heapBase, prepare, requantizationForms, run, workspaceBytes } from "./runtime";
