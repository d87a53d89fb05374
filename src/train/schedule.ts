/** Learning-rate schedules. */

export interface CosineSchedule {
  readonly kind: "cosine";
  /** The highest rate. */
  readonly rate: number;
  /** Epochs over which the rate rises to it from near 0. */
  readonly warmup: number;
}

export interface StepSchedule {
  readonly kind: "step";
  /** [first epoch, rate], in order of epochs; the first from 0. */
  readonly steps: readonly (readonly [number, number])[];
}

export type Schedule = CosineSchedule | StepSchedule;

/** The rate at a point of training, in epochs from 0, with fractions. A cosine falls to 0 at `epochs`. */
export function learningRate(schedule: Schedule, epoch: number, epochs: number): number {
  if (schedule.kind === "step") {
    const step = schedule.steps.findLast(([first]) => first <= epoch) ?? schedule.steps[0];
    return step![1];
  }
  const { rate, warmup } = schedule;
  if (epoch < warmup) return (rate * (epoch + 0.01)) / (warmup + 0.01);
  return (rate * (1 + Math.cos((Math.PI * (epoch - warmup)) / (epochs - warmup)))) / 2;
}
