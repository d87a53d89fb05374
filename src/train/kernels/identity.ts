/** A second tensor on the same values. The stock kernel copies them, and every saved tensor is one of these. */
import type { Kernel } from "./kernel.ts";

export const identity: Kernel = (heap, { x }) => heap.share(x!);
