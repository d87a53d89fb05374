import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { KWS_CLASSES } from "../../src/data/kws-set.ts";
import { encodeCheckpoint } from "../../src/train/checkpoint.ts";
import type { NetworkDescription } from "../../src/train/network/description.ts";
import { dscnn } from "../../src/train/network/factories.ts";
import { writeKwsSet } from "../support/kws-set.ts";
import { randomParameters } from "../support/networks.ts";
import { interruptOnce, smallModel, temporaryFolder, thumbnet, thumbnetError, thumbnetJson } from "./cli.ts";

const folder = temporaryFolder();

function writeNetwork(
  name: string,
  description: NetworkDescription,
  classes: readonly string[] = [],
): string {
  const meta = { kind: "network", description, classes, origin: null };
  return folder.write(name, encodeCheckpoint({ meta, tensors: randomParameters(description, 3) }));
}

let [data, model] = ["", ""];
beforeAll(() => {
  data = writeKwsSet(folder.path("kws"), { train: 96, val: 24, test: 12 });
  model = writeNetwork("best.ckpt", dscnn({ filters: 8, blocks: 2 }));
});

const FAST = ["--epochs", "2", "--batch", "16", "--calibration", "10", "--average", "0.9"];
const command = (out: string, ...rest: string[]) => [
  ...["prune", "depth", model, "--data", data, "--out", folder.path(out), ...FAST, ...rest],
];

describe("thumbnet prune depth", () => {
  test("trains heads on cuts and reports them beside the whole network and another", () => {
    const narrow = writeNetwork("narrow.ckpt", dscnn({ filters: 4, blocks: 2 }));
    const args = [
      "--cut",
      "conv1,block1",
      "--head",
      "dscnn32_16",
      "4s2",
      "--test",
      "--add",
      `narrow=${narrow}`,
    ];
    const report = thumbnetJson(...command("many", ...args, "--unfrozen", "--distill"));
    expect(report.part).toBe("test");
    expect(
      report.entries.map((entry: { name: string; series: string }) => [entry.name, entry.series]),
    ).toEqual([
      ["whole", ""],
      ["conv1", "4s2, unfrozen, distilled"],
      ["block1", "4s2, unfrozen, distilled"],
      ["conv1", "dscnn32_16, unfrozen, distilled"],
      ["block1", "dscnn32_16, unfrozen, distilled"],
      ["narrow", "other networks"],
    ]);
    expect(report.entries[1].costs.cycles).toBeLessThan(report.entries[0].costs.cycles);
    const made = folder.path("many/conv1-4s2-unfrozen-distilled-seed1/int8.tflite");
    const inspected = thumbnetJson("inspect", made);
    expect(inspected).toMatchObject({ macs: report.entries[1].costs.macs, runs: true });

    const text = thumbnet(...command("many", ...args, "--unfrozen", "--distill"));
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/\nconv1 +4s2, unfrozen, distilled +\d+\.\d\d/);
    expect(text.stderr).not.toMatch(/epoch/);
  }, 120000);

  test("Ctrl-C stops it, and the same command goes on", async () => {
    const state = join(folder.path("parts"), "conv1-dscnn32_16-frozen-seed1/training/last.ckpt");
    const args = command("parts", "--cut", "conv1", "--epochs", "40");
    expect(await interruptOnce(state, ...args)).toBe(1);
    const log = join(folder.path("parts"), "conv1-dscnn32_16-frozen-seed1/training/log.jsonl");
    const lines = () => readFileSync(log, "utf8").trim().split("\n");
    expect(lines().length).toBeLessThan(40);
    expect(thumbnet(...args).code).toBe(0);
    expect(lines().map((line) => JSON.parse(line).epoch)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
  }, 120000);

  test("another whole network to count losses against, and reports of several networks put together", () => {
    const second = folder.write(
      "second.ckpt",
      encodeCheckpoint({
        meta: { kind: "network", description: dscnn({ filters: 8, blocks: 2 }), classes: [], origin: null },
        tensors: randomParameters(dscnn({ filters: 8, blocks: 2 }), 4),
      }),
    );
    const one = thumbnetJson(...command("one", "--cut", "conv1", "--reference", second));
    expect(one.isReference).toBe(true);
    const two = thumbnetJson(
      ...["prune", "depth", second, "--data", data, "--out", folder.path("two"), ...FAST],
      ...["--cut", "conv1", "--reference", model, "--seed", "2"],
    );
    const both = ["prune", "report", folder.path("one"), folder.path("two"), "--out", folder.path("both")];
    const [whole, cut] = thumbnetJson(...both).entries;
    const values = (
      entries: readonly { accuracy: { validation: { int8: { accuracy: unknown } } } }[],
      i = 0,
    ) => entries[i]!.accuracy.validation.int8.accuracy;
    expect(values([whole])).toMatchObject({
      values: [one, two].flatMap(({ entries }) => (values(entries) as { values: number[] }).values),
    });
    expect(cut.seeds).toEqual([1, 2]);
    const text = thumbnet(...both);
    expect(text.stdout).toMatch(/\nwhole +\d+\.\d\d ± \d+\.\d\d /);
    expect(text.stdout).toMatch(
      /both\/report\.html and report\.json: accuracies are of the validation examples\n$/,
    );

    const narrow = writeNetwork("narrower.ckpt", dscnn({ filters: 4, blocks: 2 }));
    expect(thumbnetError(...command("none", "--reference", narrow))).toMatch(
      /^thumbnet: dscnn-4x2: has .*; the network that is cut, dscnn-8x2, has .*: losses are counted against the same network\n$/,
    );
    expect(thumbnetError("prune", "report", folder.path("nothing"), "--out", folder.path("both"))).toMatch(
      /nothing: /,
    );
  }, 120000);

  test("what is wrong is one clear line", () => {
    expect(thumbnetError(...command("none", "--cut", "block7"))).toMatch(
      /^thumbnet: dscnn-8x2: no cut "block7"; there are: conv1, block1, block2\n$/,
    );
    expect(thumbnetError(...command("none", "--head", "huge"))).toMatch(
      /^thumbnet: no head "huge"; there are: dscnn32_16/,
    );
    expect(thumbnetError(...command("none", "--head", "8", "conv1=huge"))).toMatch(
      /^thumbnet: no head "huge"; there are: dscnn32_16/,
    );
    expect(thumbnetError(...command("none", "--cut", "conv1", "--head", "8", "block2=8"))).toMatch(
      /^thumbnet: dscnn-8x2: head "block2=8" is for a cut that is not chosen; chosen: conv1\n$/,
    );
    expect(existsSync(folder.path("none"))).toBe(false);
    expect(thumbnetError(...command("none", "--cut", ","))).toMatch(
      /option '--cut <names>' argument ',' is invalid\. It must be all, or names of cuts\.\n$/,
    );
    expect(thumbnetError(...command("none", "--add", `x=${model}`, "--add", `x=${model}`))).toMatch(
      /option '--add <name=file>' argument .* is invalid\. "x" is given twice\.\n$/,
    );
    expect(thumbnetError(...command("none", "--frozen", "--unfrozen"))).toMatch(
      /option '--unfrozen' cannot be used with option '--frozen'/,
    );
    expect(
      thumbnetError(...command("none", "--steps", "0:1e30", "--weight-decay", "1", "--cut", "conv1")),
    ).toMatch(/thumbnet: the loss is (NaN|Infinity|-Infinity) \(epoch \d, step \d/);
    const int8 = folder.write("int8.tflite", smallModel());
    expect(thumbnetError("prune", "depth", int8, "--data", data, "--out", folder.path("none"))).toMatch(
      /^thumbnet: int8\.tflite: .*gives int8; supported: networks in float32, before they are quantised\n$/,
    );
    const five = writeNetwork("five.ckpt", dscnn({ filters: 4, blocks: 1, classes: 5 }));
    expect(thumbnetError("prune", "depth", five, "--data", data, "--out", folder.path("none"))).toMatch(
      /thumbnet: dscnn-4x1: has 5 classes, the data set kws 12\n$/,
    );
    const reversed = writeNetwork(
      "reversed.ckpt",
      dscnn({ filters: 4, blocks: 1 }),
      [...KWS_CLASSES].reverse(),
    );
    for (const args of [
      ["prune", "depth", reversed, "--data", data, "--out", folder.path("none")],
      command("none", "--teacher", reversed),
    ]) {
      expect(thumbnetError(...args)).toMatch(
        /^thumbnet: .*reversed\.ckpt: knows unknown, silence, .* must be the same\n$/,
      );
    }
    expect(
      thumbnetError("prune", "depth", model, "--data", folder.path("nowhere"), "--out", folder.path("none")),
    ).toMatch(/nowhere: no such file/);
  }, 120000);
});
