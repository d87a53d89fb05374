import { describe, expect, test } from "vitest";
import { cutNetwork } from "../../src/prune/depth/cut-network.ts";
import { chooseCuts, cuts, findCut } from "../../src/prune/depth/cuts.ts";
import { headFor } from "../../src/prune/depth/heads.ts";
import { PUBLISHED } from "../../src/prune/depth/published.ts";
import { layerShapes, networkCost } from "../../src/train/network/description.ts";
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
