export interface Column {
  readonly title: string;
  /** Default: left. */
  readonly align?: "left" | "right";
}

/** A table for the terminal: a line of titles, a rule, and a line for each row. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, c) =>
    lines.reduce((width, line) => Math.max(width, (line[c] ?? "").length), 0),
  );
  const format = (line: readonly string[]) =>
    columns
      .map(({ align }, c) =>
        align === "right" ? (line[c] ?? "").padStart(widths[c]!) : (line[c] ?? "").padEnd(widths[c]!),
      )
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [format(lines[0]!), rule, ...lines.slice(1).map(format)].join("\n");
}

/** A name from a file, without what would steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

/** `1,234,567` */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The fewest digits that give back a float32. */
export function formatFloat(value: number): string {
  const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === value);
  return `${digits ? Number(value.toPrecision(digits)) : value}`;
}

/** `-` for what is not known. */
export function formatOptional(value: number | null): string {
  return value === null ? "-" : formatCount(value);
}

/** `12.3 %` */
export function formatPercent(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : "-";
}

/** Short enough for a table, from the end that says most. */
export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
