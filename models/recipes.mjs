/**
 * The commands that make the models, as words for `thumbnet`. In them DATA is the training set, WORK the folder of
 * runs, WHOLE the trained whole network, and HERE the folder of the model. Of `files`, `result` is a folder that
 * `prune depth` leaves.
 */
const words = (line) => line.split(" ");

export const RECIPES = {
  kws: {
    fetch: "speech-commands",
    train: [words("train dscnn --data DATA --out WORK/whole --epochs 50 --lr 0.003 --seed 1")],
    prune: words(
      "prune depth WHOLE --data DATA --cut block2,block1 --head 24s2,32 --unfrozen --distill --epochs 12 --seed 1",
    ),
    files: {
      kws: { result: "whole", note: "whole" },
      "kws-block2": { result: "block2-24s2_32-unfrozen-distilled-seed1", note: "cut after block 2" },
      "kws-block1": { result: "block1-24s2_32-unfrozen-distilled-seed1", note: "cut after block 1" },
    },
  },
  digits: {
    fetch: "mnist",
    train: [
      words("train HERE/network.json --data DATA --out WORK/whole --epochs 60 --lr 0.01 --batch 64 --seed 1"),
    ],
    prune: words(
      "prune depth WHOLE --data DATA --cut block2 --head 32s2 --unfrozen --distill --epochs 30 --batch 64 --seed 1",
    ),
    files: {
      digits: { result: "whole", note: "whole" },
      "digits-block2": { result: "block2-32s2-unfrozen-distilled-seed1", note: "cut after block 2" },
    },
  },
};
