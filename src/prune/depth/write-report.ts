/** Writes the report of a folder. */
import { join } from "node:path";
import { writeWhole } from "../../data/files.ts";
import { formatJson } from "../../report/json.ts";
import { classCount, type NetworkDescription } from "../../train/network/description.ts";
import { cuts } from "./cuts.ts";
import { readRecords } from "./records.ts";
import { type DepthReport, depthReport } from "./report.ts";
import { depthReportPage } from "./report-html.ts";

export const REPORT_JSON = "report.json";
export const REPORT_PAGE = "report.html";

/**
 * Puts all results of a folder into report.json and report.html.
 *
 * @param network the whole one
 * @throws ThumbnetError when a file cannot be read or written, or the whole network has no result
 */
export async function writeDepthReport(out: string, network: NetworkDescription): Promise<DepthReport> {
  const order = cuts(network).map(({ name }) => name);
  const records = (await readRecords(out)).map(({ record }) => record);
  const report = depthReport(records, network.inputShape, classCount(network), order);
  await writeWhole(join(out, REPORT_JSON), formatJson(report));
  await writeWhole(join(out, REPORT_PAGE), depthReportPage(report));
  return report;
}
