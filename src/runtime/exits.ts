import type { Image, ImageExit } from "../plan/image.ts";
import type { ExitThreshold } from "../plan/thresholds.ts";
import type { OutputData } from "./tensors.ts";

/** An early exit of a model. */
export interface ExitInfo {
  /** Of its output. */
  readonly name: string;
  /** Which of the model's outputs it is. */
  readonly output: number;
  /** What must reach the threshold: the largest probability, or by how far it exceeds the second largest. */
  readonly criterion: ImageExit["criterion"];
  /** By class: the least confidence at which it answers, as the model file has it, in 1/256; 1 is never reached. */
  readonly thresholds: readonly number[];
}

export function exitInfos({ exits, outputs }: Pick<Image, "exits" | "outputs">): ExitInfo[] {
  return exits.map(({ output, criterion, thresholds }) => {
    return {
      name: outputs[output]!.name,
      output,
      criterion,
      thresholds: Array.from(thresholds, (t) => t / 256),
    };
  });
}

/** How to run a model that has early exits. */
export interface RunOptions {
  /**
   * The least confidence at which exits answer, each in (0, 1]: one for all, or one for each exit, that may be a list
   * with one for each class. 1 is never reached. Default: what the model file has.
   */
  readonly exitThreshold?: ExitThreshold;
}

/** What a run gave, and where it came from. */
export interface Answer {
  /** The scores of whichever output answered, N after the other for a batch, in memory of its own. */
  readonly output: OutputData;
  /** For each input of the batch the index of the exit that answered; `model.exits.length` is the final output. */
  readonly exits: readonly number[];
  /** For each input of the batch the largest real value of its scores: mostly the probability of the class they name. */
  readonly confidences: readonly number[];
}

/** What was decided after an operator. */
export interface TraceExit {
  /** Of the exit. */
  readonly index: number;
  /** The largest of its probabilities. */
  readonly confidence: number;
  /** Whether a run ends here. */
  readonly answers: boolean;
}

/**
 * Whether an exit answers: the twin of `firmware/support/exits.c`, in integers as there.
 *
 * @param scores int8 probabilities, scale 1/256 and zero point -128
 * @param thresholds by class: the least measure, in 1/256
 */
export function answers(
  scores: Int8Array,
  criterion: ImageExit["criterion"],
  thresholds: ArrayLike<number>,
): boolean {
  let top = scores[0]!;
  let second = -128;
  let winner = 0;
  for (let c = 1; c < scores.length; c++) {
    const score = scores[c]!;
    if (score > top) {
      second = top;
      top = score;
      winner = c;
    } else if (score > second) {
      second = score;
    }
  }
  const measure = criterion === "margin" ? top - second : top + 128;
  return measure >= thresholds[winner]!;
}
