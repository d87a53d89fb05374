import { hostCompiler } from "../../src/mcu/host.ts";
import { hostC, type Implementation, webAssembly } from "../../src/mcu/implementations.ts";

if (!hostCompiler()) console.warn("SKIPPED: the C kernels on the host (no C compiler; install gcc or clang)");

/** Every way to run an image on this machine; the first is the plainest. */
export const IMPLEMENTATIONS: readonly Implementation[] = [
  webAssembly("scalar"),
  webAssembly("simd"),
  ...(hostCompiler() ? [hostC({ sanitize: true })] : []),
];
