/**
 * The commands that make the models, as words for `thumbnet`. In them DATA is the training set, WORK the folder of
 * runs, TRAINED what `train` leaves at `trained` in it, and HERE the folder of the shipped models. Of `files`, `result` is
 * a folder that `prune depth` leaves; a recipe with `tune` makes one network with early exits, of its own name.
 */
const words = (line) => line.split(" ");

const WHOLE = "whole/best.ckpt";

/** How networks learn from the teacher. */
const LESSONS =
  "--teacher WORK/teacher/best.ckpt --temperature 2 --teacher-share 0.7 --variants 8 --lr 0.003 --seed 1";
const KWS_WHOLE = [
  words("train HERE/teacher.json --data DATA --out WORK/teacher --epochs 30 --lr 0.003 --seed 11"),
  words("train dscnn --data DATA --out WORK/first --epochs 50 --lr 0.003 --seed 1"),
  words(`train WORK/first/best.ckpt --data DATA --out WORK/second --epochs 24 ${LESSONS}`),
  words(`train WORK/second/best.ckpt --data DATA --out WORK/whole --epochs 36 ${LESSONS}`),
];
/** Of ten epochs: a cut after the first convolution keeps little of a network, its own layers have most to learn. */
const KWS_EARLY = words("train dscnn --data DATA --out WORK/early --epochs 10 --lr 0.003 --seed 1");
const KWS_PRUNE = "--reference TRAINED --data DATA --unfrozen --tail-lr 1";

export const RECIPES = {
  kws: {
    fetch: "speech-commands",
    train: [...KWS_WHOLE, KWS_EARLY],
    trained: WHOLE,
    // Every network gets as many epochs in all as the whole one.
    prune: [
      words(
        `prune depth WORK/second/best.ckpt ${KWS_PRUNE} --cut block2 --head 24,20,16 --epochs 36 ${LESSONS}`,
      ),
      // Narrow layers learn better from variants that stray less.
      words(
        `prune depth WORK/early/best.ckpt ${KWS_PRUNE} --cut conv1 --head 36,36,36,32 --augmentation 0.6 --epochs 100 ${LESSONS}`,
      ),
    ],
    files: {
      kws: { result: "whole", note: "whole" },
      "kws-block2": { result: "block2-24_20_16-unfrozen-distilled-seed1", note: "cut after block 2" },
      "kws-conv1": { result: "conv1-36_36_36_32-unfrozen-distilled-seed1", note: "cut after conv1" },
    },
  },
  "kws-exits": {
    folder: "kws",
    fetch: "speech-commands",
    train: [
      ...KWS_WHOLE,
      words(
        "exits train WORK/whole/best.ckpt --data DATA --out WORK/exits --exit block1=48s2,48 --exit block2=48s2 --weight 0.5 --distill --temperature 2 --teacher-share 0.5 --label-smoothing 0 --epochs 10 --lr 0.0015 --trunk-lr 0.5 --seed 1",
      ),
    ],
    trained: "exits",
    // 62 % of what the network without exits takes.
    tune: words(
      "exits tune TRAINED/int8.tflite --data DATA --target-macs 1647196 --static HERE/kws.tflite HERE/kws-block2.tflite HERE/kws-conv1.tflite",
    ),
  },
  digits: {
    fetch: "mnist",
    trained: WHOLE,
    train: [
      words("train HERE/network.json --data DATA --out WORK/whole --epochs 60 --lr 0.01 --batch 64 --seed 1"),
    ],
    prune: [
      words(
        "prune depth TRAINED --data DATA --cut block2 --head 32s2 --unfrozen --distill --epochs 30 --batch 64 --seed 1",
      ),
    ],
    files: {
      digits: { result: "whole", note: "whole" },
      "digits-block2": { result: "block2-32s2-unfrozen-distilled-seed1", note: "cut after block 2" },
    },
  },
  cifar10: {
    fetch: "cifar10",
    trained: WHOLE,
    train: [
      words("train HERE/network.json --data DATA --out WORK/whole --epochs 20 --augmentation 0.5 --seed 1"),
    ],
    prune: [
      words(
        "prune depth TRAINED --data DATA --cut all --head strided --distill --epochs 6 --augmentation 0 --feature-cache 2500 --seed 1",
      ),
      words(
        "prune depth TRAINED --data DATA --cut block3 --head strided --unfrozen --distill --epochs 4 --augmentation 0.5 --seed 1",
      ),
    ],
    files: {
      cifar10: { result: "whole", note: "whole" },
      "cifar10-block3": { result: "block3-strided-unfrozen-distilled-seed1", note: "cut after block 3" },
    },
  },
};
