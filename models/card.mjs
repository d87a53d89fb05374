/** What make.mjs writes into the cards (README.md) of models: tables of figures, and where the networks come from. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** Of the RP2040, for times. */
const HERTZ = 125e6;

export const count = (value) => Math.round(value).toLocaleString("en-US");
export const percent = (share) => `${(100 * share).toFixed(2)} %`;
const milliseconds = (cycles) => ((1000 * cycles) / HERTZ).toFixed(0);

/** A value and how far it is from the whole network's. */
function beside(value, whole) {
  const change = Math.round(1000 * (value / whole - 1)) / 10;
  return change === 0 ? count(value) : `${count(value)} (${change > 0 ? "+" : "−"}${Math.abs(change)} %)`;
}

const table = (rows) => rows.map((row) => `| ${row.join(" | ")} |`).join("\n");

/** The shipped networks of a run of `prune depth`, side by side. */
export function figures(records) {
  const [first] = records;
  const parts = ["validation", "test"].filter((part) => first.accuracy[part] !== undefined);
  return table([
    ["", ...records.map(({ file }) => `\`${file}.tflite\``)],
    ["", ...records.map(() => "---:")].map((cell, i) => (i === 0 ? "---" : cell)),
    ["what", ...records.map(({ note }) => note)],
    ["parameters as Keras counts", ...records.map((r) => beside(r.kerasParameters, first.kerasParameters))],
    ["parameters, batch normalisation folded", ...records.map((r) => beside(r.parameters, first.parameters))],
    ["multiply-accumulates", ...records.map((r) => beside(r.macs, first.macs))],
    ["file, bytes", ...records.map((r) => count(r.tfliteBytes))],
    ["cycles of the emulated RP2040", ...records.map((r) => (r.chip ? count(r.chip.cycles) : r.problem))],
    ["milliseconds at 125 MHz", ...records.map((r) => (r.chip ? milliseconds(r.chip.cycles) : ""))],
    ["RAM, bytes", ...records.map((r) => (r.chip ? count(r.chip.ram.sum) : ""))],
    ["flash, bytes", ...records.map((r) => (r.chip ? count(r.chip.flash.sum) : ""))],
    ...parts.flatMap((part) => {
      const of = (form) => records.map((r) => percent(r.accuracy[part][form].accuracy));
      const where = `${part} (${count(first.accuracy[part].count)})`;
      return [
        [`${where}, float`, ...of("float")],
        [`${where}, int8`, ...of("int8").map((accuracy) => `**${accuracy}**`)],
      ];
    }),
  ]);
}

/** Every network that `prune depth` made, shipped or not: one line each. */
export function curve(folder) {
  const { entries, part } = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));
  const [first] = entries;
  const title = `${part}, int8`;
  return table([
    ["network", "head and training", "Keras parameters", "MACs", "cycles", `${part}, float`, title],
    ["---", "---", "---:", "---:", "---:", "---:", "---:"],
    ...entries.map((entry) => [
      entry.name,
      entry.series,
      beside(entry.kerasParameters, first.kerasParameters),
      beside(entry.costs.macs, first.costs.macs),
      entry.costs.cycles === null ? "" : beside(entry.costs.cycles, first.costs.cycles),
      percent(entry.accuracy[part].float.accuracy.mean),
      percent(entry.accuracy[part].int8.accuracy.mean),
    ]),
  ]);
}

/**
 * Where inputs of a network with exits stop, as `exits tune` reports it, beside networks without.
 *
 * @param bytes of the file
 * @param chip RAM and flash that it takes
 */
export function exitFigures(report, bytes, { ram, flash }) {
  const [run] = report.runs;
  const row = (name, costs, accuracy, share = "", thresholds = []) => [
    name,
    share,
    thresholds.map((threshold) => threshold.toFixed(3)).join(", "),
    beside(costs.macs, run.whole.costs.macs),
    count(costs.cycles),
    milliseconds(costs.cycles),
    count(costs.microjoules),
    accuracy,
  ];
  const ends = run.stops.length - 1;
  const stops = table([
    ["", "share", "threshold", "MACs", "cycles", "ms", "µJ", `validation (${count(run.examples)}), int8`],
    ["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"],
    ...run.stops.map(({ name, costs, rate, thresholds, accuracy }, i) =>
      row(
        i < ends ? `\`${name}\`` : "the end, worst case",
        costs,
        percent(accuracy),
        percent(rate),
        thresholds,
      ),
    ),
    row("**mean**", run.mean, `**${percent(run.accuracy)}**`),
    ...(run.heldOut
      ? [row("mean, held out", run.heldOut.mean, percent(run.whole.accuracy - run.heldOut.loss))]
      : []),
    row("the same network without exits", run.whole.costs, percent(run.whole.accuracy)),
    ...report.statics.map(({ name, costs, accuracy }) =>
      row(`\`${basename(name)}.tflite\``, costs, percent(accuracy.mean)),
    ),
  ]);
  const sizes =
    `The file has ${count(bytes)} bytes; on the chip it takes ${count(ram)} bytes of RAM and ` +
    `${count(flash)} of flash, as \`thumbnet inspect\` predicts.`;
  return [stops, "", sizes].join("\n");
}

/** How a whole network was trained, in its last run. */
export function origin({ description, origin: { data: set, options, epoch, accuracy, init, ...rest } }) {
  const teaching = Object.keys(rest).length > 0 ? `, ${JSON.stringify(rest)}` : "";
  return [
    `The whole network (\`${description.name}\`) is from epoch ${epoch} of ${options.epochs}, seed ` +
      `${options.seed}, the best of its run: ${percent(accuracy)} of the validation examples in float. Its ` +
      `checkpoint says how it was trained on \`${set}\`:`,
    "",
    `\`${JSON.stringify(options)}${teaching}\``,
  ].join("\n");
}

/** How exits were trained. */
export function exitOrigin({ origin: { data: set, options, calibration } }) {
  // How much memory features may take decides nothing.
  const { cacheBytes, ...deciding } = options;
  const temperatures = calibration.map(({ temperature }) => temperature.toFixed(3)).join(", ");
  return [
    `Its checkpoint says how it was trained on \`${set}\`, from the whole network; the temperatures of the final answer ` +
      `and the exits became ${temperatures}:`,
    "",
    `\`${JSON.stringify(deciding)}\``,
  ].join("\n");
}

/** A card with text between the marks of each section, where it has them. @param sections by name */
export function fill(card, sections) {
  return Object.entries(sections).reduce((text, [mark, content]) => {
    const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 && to < 0) return text;
    if (from < 0 || to < from) throw new Error(`the card has only one of ${begin} and ${end}`);
    return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
  }, card);
}
