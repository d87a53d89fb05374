/** Writes the report of one or more folders of results. */
import { join } from "node:path";
import { makeFolder, writeWhole } from "../../data/files.ts";
import { ThumbnetError } from "../../errors.ts";
import { formatJson } from "../../report/json.ts";
import { type DepthRecord, hasReference, isSame, readRecords, type WholeRecord } from "./records.ts";
import { type DepthReport, depthReport } from "./report.ts";
import { depthReportPage } from "./report-html.ts";

export const REPORT_JSON = "report.json";
export const REPORT_PAGE = "report.html";

/** What folders must agree on, to be put together. */
function comparable(whole: WholeRecord, records: readonly DepthRecord[]): Record<string, unknown> {
  const { inputShape, classes, cuts, identity, figures } = whole;
  return {
    "the input's shape": inputShape,
    "the number of classes": classes,
    "its cuts": cuts,
    "its parameters": figures.kerasParameters,
    "its multiply-accumulates": figures.macs,
    "the data set": identity.data,
    "how it was measured": identity.measure,
    "whether the whole network is a --reference": records.some(hasReference),
  };
}

/**
 * Puts all results of folders into report.json and report.html. Folders of networks that differ by seed only become one
 * report of means and spreads; each cut is compared with the whole network of its own folder. What was counted against
 * another whole network, a reference that changed since, is left out.
 *
 * @param out a folder, made where it is missing
 * @param folders of `pruneDepth`; default: `out`
 * @throws ThumbnetError when a file cannot be read or written, a folder has no result of a whole network, or folders are
 *   of different networks, data or ways of measuring
 */
export async function writeDepthReport(
  out: string,
  folders: readonly string[] = [out],
): Promise<DepthReport> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const all = (await readRecords(folder)).map(({ record }) => record);
      const whole = all.find((record) => record.kind === "whole");
      if (whole === undefined) {
        throw new ThumbnetError(`${folder}: holds no result of a whole network; give folders of prune depth`);
      }
      const records = all.filter(({ identity }) => isSame(identity.whole, whole.identity.whole));
      return { folder, records, whole, compared: comparable(whole, records) };
    }),
  );
  const first = found[0]!;
  for (const { folder, compared } of found) {
    const other = Object.keys(compared).find((key) => !isSame(compared[key], first.compared[key]));
    if (other === undefined) continue;
    throw new ThumbnetError(
      `${folder}: differs from ${first.folder} in ${other}: ${JSON.stringify(compared[other])} and ${JSON.stringify(first.compared[other])}; one report takes runs that differ by seed only`,
    );
  }
  const report = depthReport(
    found.flatMap(({ records }) => records),
    first.whole,
  );
  await makeFolder(out);
  await writeWhole(join(out, REPORT_JSON), formatJson(report));
  await writeWhole(join(out, REPORT_PAGE), depthReportPage(report));
  return report;
}
