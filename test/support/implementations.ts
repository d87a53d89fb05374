import { hostCompiler } from "../../src/mcu/host.ts";
import {
  emulatedChip,
  hostC,
  type Implementation,
  type Job,
  type Step,
  webAssembly,
} from "../../src/mcu/implementations.ts";

if (!hostCompiler()) console.warn("SKIPPED: the C kernels on the host (no C compiler; install gcc or clang)");

/** The plainest: what the others are compared with. */
export const PLAIN = webAssembly("scalar");

/** Every way to run an image on this machine, and what share of the cases is affordable on it. */
export const IMPLEMENTATIONS: readonly (Implementation & { readonly share: number })[] = [
  { ...PLAIN, share: 1 },
  { ...webAssembly("simd"), share: 1 },
  ...(hostCompiler() ? [{ ...hostC({ sanitize: true }), share: 1 }] : []),
  { ...emulatedChip(), share: 0.1 },
];

/** What the operators of each job left behind. */
export async function stepsOf(
  { runs }: Pick<Implementation, "runs">,
  jobs: readonly Job[],
): Promise<(readonly Step[])[]> {
  return (await runs(jobs)).map(({ steps }) => steps);
}

/** `1`: more cases, at a size for continuous integration; `all`: every case there is. */
export const SOAK =
  process.env.THUMBNET_SOAK === "all" ? "all" : process.env.THUMBNET_SOAK === "1" ? "some" : null;
