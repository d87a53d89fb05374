/** What a training run leaves after each epoch, to go on from exactly there. */
import { ThumbnetError } from "../errors.ts";
import type { AdamState } from "./adam.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import type { Parameters, Values } from "./network/parameters.ts";

export interface RunState {
  /** What makes it this run: plain data, compared as JSON. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Whole epochs done. */
  readonly epoch: number;
  readonly best: { readonly epoch: number; readonly accuracy: number; readonly loss: number };
  readonly network: Parameters;
  readonly average: { readonly steps: number; readonly parameters: Parameters } | null;
  /** By parameter name. */
  readonly optimizer: AdamState;
}

export async function writeState(path: string, state: RunState): Promise<void> {
  const { network, average, optimizer, ...meta } = state;
  const tensors = new Map<string, Values>();
  const put = (group: string, parameters: Iterable<readonly [string, Values]>) => {
    for (const [name, values] of parameters) tensors.set(`${group}:${name}`, values);
  };
  put("network", network);
  if (average) put("average", average.parameters);
  for (const moment of ["first", "second"] as const) {
    const entries = Object.entries(optimizer.moments);
    put(
      moment,
      entries.map(([name, values]) => [name, { shape: network.get(name)!.shape, values: values[moment] }]),
    );
  }
  const counts = { step: optimizer.step, averageSteps: average?.steps ?? null };
  await writeCheckpoint(path, { meta: { kind: "training", ...meta, ...counts }, tensors });
}

/** What differs between two values of plain data: paths, and both sides. */
function differences(a: unknown, b: unknown, path: string): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null;
  if (!isRecord(a) || !isRecord(b)) return [`${path} is ${JSON.stringify(a)}, not ${JSON.stringify(b)}`];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => differences(a[key], b[key], path === "" ? key : `${path}.${key}`));
}

/**
 * @param identity of the run that wants to go on
 * @throws ThumbnetError when the file is missing, damaged, or of another run
 */
export async function readState(path: string, identity: RunState["identity"]): Promise<RunState> {
  const { meta, tensors } = await readCheckpoint(path);
  const { kind, step, averageSteps, ...rest } = meta as Record<string, unknown>;
  if (kind !== "training") throw new ThumbnetError(`${path}: holds a network, not a training run's state`);
  const stored = rest as unknown as Pick<RunState, "identity" | "epoch" | "best">;
  const different = differences(stored.identity, JSON.parse(JSON.stringify(identity)), "");
  if (different.length > 0) {
    const shown = different.slice(0, 3).join("; ");
    throw new ThumbnetError(
      `${path}: is of another run: ${shown}; choose another folder, or remove the file`,
    );
  }
  const group = (name: string): Map<string, Values> =>
    new Map(
      [...tensors].flatMap(([key, values]) =>
        key.startsWith(`${name}:`) ? [[key.slice(name.length + 1), values] as const] : [],
      ),
    );
  const [first, second] = [group("first"), group("second")];
  const moments = [...first].map(
    ([name, { values }]) => [name, { first: values, second: second.get(name)!.values }] as const,
  );
  return {
    ...stored,
    network: group("network"),
    average: averageSteps === null ? null : { steps: averageSteps as number, parameters: group("average") },
    optimizer: { step: step as number, moments: Object.fromEntries(moments) },
  };
}
