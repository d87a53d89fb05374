import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { randomParameters, smallNetwork } from "../support/networks.ts";
import { temporaryFolder, thumbnetError, thumbnetJson } from "./cli.ts";

const { path, write: writeFlat } = temporaryFolder();

function write(name: string, content: Uint8Array | string): string {
  mkdirSync(dirname(path(name)), { recursive: true });
  return writeFlat(name, content);
}

const SIZE = 8;
const NETWORK = smallNetwork({ name: "two", inputShape: [SIZE, SIZE, 3], filters: 4 });

/** Pictures of class 1 are lighter by far than those of class 0. */
function pixels(label: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => 150 * label + ((i * 7 + seed * 13) % 60));
}

const png = (label: number, seed: number) =>
  sharp(pixels(label, seed), { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();

let model: string;
beforeAll(async () => {
  const meta = { kind: "network", description: NETWORK, classes: ["dark", "light"], origin: null };
  model = write("best.ckpt", encodeCheckpoint({ meta, tensors: randomParameters(NETWORK, 3) }));
  for (const [part, count] of Object.entries({ train: 40, validation: 12, test: 6 })) {
    for (let i = 0; i < count; i++) {
      const label = i % 4 === 0 ? 0 : 1;
      write(`set/${part}/${label === 0 ? "dark" : "light"}/${i}.png`, await png(label, i));
    }
  }
  const lines = Array.from({ length: 10 }, (_, i) => {
    write(`own/${i}.bin`, pixels(i % 2, 100 + i));
    return `${i}.bin,2,${i % 2}\n`;
  });
  write("own/y_labels.csv", lines.join(""));
});

const FAST = ["--epochs", "4", "--batch", "8", "--calibration", "10", "--average", "0.5", "--lr", "0.02"];
const command = (out: string, ...rest: string[]) => [
  ...["prune", "depth", model, "--data", path("set"), "--out", path(out), "--cut", "block1", "--head", "8"],
  ...FAST,
  ...rest,
];

test("two classes have AUC, agreement and a threshold from training examples, on a set of their own", () => {
  const report = thumbnetJson(...command("out", "--evaluate", path("own")));
  expect(report.part).toBe("evaluation");
  const [whole, cut] = report.entries;
  expect(cut.accuracy.evaluation).toMatchObject({ count: 10, labelled: 10 });
  const { float, int8 } = cut.accuracy.evaluation;
  // So easy a set is learnt; pixels read wrongly would be noise to the network.
  expect(float.auc.mean).toBe(1);
  expect(int8.auc.mean).toBeGreaterThan(0.9);
  expect(int8.atThreshold.accuracy.mean).toBeGreaterThanOrEqual(0.9);
  expect(int8.agreement.mean).toBeGreaterThanOrEqual(0);
  expect(int8.atThreshold.loss.mean).toBeCloseTo(
    whole.accuracy.evaluation.int8.atThreshold.accuracy.mean - int8.atThreshold.accuracy.mean,
    9,
  );
  // Folders named as the classes are another way to give the same.
  for (let i = 0; i < 10; i++)
    write(
      `folders/${i % 2 ? "light" : "dark"}/${i}.bin`,
      pixels(i % 2, 100 + i).map((p) => p ^ 0x80),
    );
  const again = thumbnetJson(...command("out", "--evaluate", path("folders")));
  expect(again.entries[1].accuracy.evaluation.float).toEqual(float);
}, 60000);

test("an evaluation set that does not fit is refused before anything is trained", () => {
  write("three/y_labels.csv", "a.bin,3,0\n");
  expect(thumbnetError(...command("none", "--evaluate", path("three")))).toMatch(
    /^thumbnet: .*three: has 3 classes, the data set pictures 2\n$/,
  );
});
