import { describe, expect, test } from "vitest";
import { cutNetwork } from "../../src/prune/depth/cut-network.ts";
import { chooseCuts, chooseHeads, cuts, findCut } from "../../src/prune/depth/cuts.ts";
import { HEADS, headFor } from "../../src/prune/depth/heads.ts";
import { PUBLISHED } from "../../src/prune/depth/published.ts";
import { layerShapes, type NetworkDescription, networkCost } from "../../src/train/network/description.ts";
import { dscnn, mobilenetV1, resnet8 } from "../../src/train/network/factories.ts";
import { initialParameters } from "../../src/train/network/parameters.ts";

const NETWORKS = [mobilenetV1(), dscnn()];

describe.each(PUBLISHED.map((set, i) => [set.network, set, NETWORKS[i]!] as const))(
  "%s",
  (_, set, network) => {
    const source = { description: network, parameters: initialParameters(network, 1) };

    test("is the published network, whole", () => {
      expect(network.inputShape).toEqual(set.inputShape);
      expect(networkCost(network)).toMatchObject({
        kerasParameters: set.whole.kerasParameters,
        macs: set.whole.macs,
      });
    });

    test.each(set.cuts.map((point) => [point.cut, point] as const))(
      "%s costs what is published",
      (name, point) => {
        const { description } = cutNetwork(source, findCut(network, name), "dscnn32_16", set.classes, 1);
        expect(networkCost(description)).toMatchObject({
          kerasParameters: point.kerasParameters,
          macs: point.macs,
        });
      },
    );
  },
);

describe("cuts", () => {
  const names = (network: NetworkDescription) => cuts(network).map(({ name }) => name);

  test("are after the first convolution and every block", () => {
    expect(names(dscnn())).toEqual(["conv1", "block1", "block2", "block3", "block4"]);
    expect(findCut(dscnn(), "block2")).toMatchObject({
      layer: "block2/pointwise/relu",
      shape: [25, 5, 64],
      shortens: true,
    });
    expect(chooseCuts(dscnn(), ["all"]).map(({ name }) => name)).toEqual([
      "conv1",
      "block1",
      "block2",
      "block3",
    ]);
  });

  test("are never inside a residual block", () => {
    expect(names(resnet8())).toEqual(["conv1", "stage1", "stage2", "stage3"]);
  });

  test("one that does not exist is an error that lists those that do", () => {
    expect(() => findCut(dscnn(), "block9")).toThrow(
      'dscnn-64x4: no cut "block9"; there are: conv1, block1, block2, block3, block4',
    );
  });
});

describe("heads", () => {
  const chosen = (names: string[], heads: string[]) =>
    chooseHeads(dscnn(), names, heads).map(({ cut, head }) => `${cut.name} ${head}`);

  test("go to every cut, or to the one they name", () => {
    expect(chosen(["block2", "block1"], ["8", "dense"])).toEqual([
      "block2 8",
      "block2 dense",
      "block1 8",
      "block1 dense",
    ]);
    expect(chosen(["block2", "block1"], ["8", "block2=32,14"])).toEqual([
      "block2 8",
      "block2 32,14",
      "block1 8",
    ]);
    expect(chosen(["block1", "conv1"], ["conv1=36,32", "block1/pointwise/relu=8"])).toEqual([
      "block1 8",
      "conv1 36,32",
    ]);
  });

  test("for a cut that is none, or is not chosen, and cuts without one, are errors", () => {
    expect(() => chosen(["block1"], ["8", "block9=8"])).toThrow(
      'dscnn-64x4: no cut "block9"; there are: conv1,',
    );
    expect(() => chosen(["block1", "conv1"], ["8", "block2=8"])).toThrow(
      'dscnn-64x4: head "block2=8" is for a cut that is not chosen; chosen: block1, conv1',
    );
    expect(() => chosen(["block1", "conv1"], ["conv1=8", "conv1=4"])).toThrow(
      'dscnn-64x4: no head for the cut "block1"; there are: conv1=8 conv1=4',
    );
  });

  const shapeAfter = (kind: string, cut: readonly [number, number, number]) => {
    const shapes = layerShapes({ name: kind, inputShape: cut, layers: headFor(kind, 7, cut) });
    return { last: shapes.at(-1), shapes: shapes.map((shape) => shape.join("x")) };
  };

  test("pool and stride as they say, and end in the classes", () => {
    expect(shapeAfter("pooled", [25, 5, 64]).shapes[0]).toBe("13x3x64");
    expect(shapeAfter("strided", [25, 5, 64]).shapes).toContain("13x3x48");
    expect(shapeAfter("pool,20s2,24", [24, 24, 8]).shapes).toEqual(
      expect.arrayContaining(["12x12x8", "6x6x20", "6x6x24"]),
    );
    for (const kind of HEADS) {
      for (const shape of [
        [48, 48, 8],
        [3, 3, 256],
        [1, 1, 16],
      ] as const) {
        expect(shapeAfter(kind, shape).last).toEqual([7]);
      }
    }
  });

  test("one that does not exist is an error that lists those that do", () => {
    expect(() => headFor("huge", 2, [4, 4, 4])).toThrow('no head "huge"; there are: dscnn32_16, pooled');
  });
});
