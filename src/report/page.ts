/** A self-contained page: no scripts, nothing loaded, readable in light and dark. */
import { escapeXml } from "./xml.ts";

const STYLE = `
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c2024; --soft: #5d6670; --rule: #d9dde2;
  --band: #f3f5f7; --front: #9aa3ad; --c0: #0b62b0; --c1: #c2410c; --c2: #0f7b4f; --c3: #8a3ab9;
  --c4: #a66a00; --c5: #b3245f; --c6: #0e7c86; --c7: #5a5f00; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e7eaee; --soft: #a3adb8; --rule: #343a41;
  --band: #1d2125; --front: #6f7985; --c0: #6db3f8; --c1: #ff9f6b; --c2: #5ed3a0; --c3: #cf9bf2;
  --c4: #f0bd55; --c5: #ff8fbd; --c6: #62d2dc; --c7: #c5cb5b; } }
body { margin: 2rem auto; max-width: 96rem; padding: 0 1.2rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; } ul { margin: .4rem 0; padding-left: 1.2rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .8rem 0; }
.legend span { display: inline-flex; align-items: center; gap: .4rem; } .legend svg { width: 18px; height: 18px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .25rem .45rem; text-align: right; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; } td.text, th.text { text-align: left; }
tr.strong td { background: var(--band); font-weight: 600; }
pre { background: var(--band); padding: .7rem 1rem; overflow-x: auto; font-size: 12.5px; white-space: pre-wrap; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--soft); } svg .title { fill: var(--ink); font-size: 13px; font-weight: 600; }
svg .label { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; } svg .grid { stroke: var(--rule); } svg .axis { stroke: var(--soft); fill: none; }
svg .front { stroke: var(--front); stroke-dasharray: 5 4; fill: none; stroke-width: 1.5; }
svg .line { fill: none; stroke: var(--c); stroke-width: 1.4; opacity: .75; }
svg .full { fill: var(--c); stroke: var(--paper); } svg .hollow { fill: none; stroke: var(--c); stroke-width: 1.6; }
${Array.from({ length: 8 }, (_, i) => `.c${i} { --c: var(--c${i}); }`).join(" ")} .other { --c: var(--soft); }
.whole { --c: var(--ink); }
`;

/** @param body HTML */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

export interface HtmlColumn {
  readonly title: string;
  /** Default: a number, to the right. */
  readonly isText?: boolean;
}

export interface HtmlRow {
  readonly cells: readonly string[];
  readonly isStrong?: boolean;
}

/** A table of plain text. */
export function htmlTable(columns: readonly HtmlColumn[], rows: readonly HtmlRow[]): string {
  const cell = (tag: string, text: string, { isText }: HtmlColumn) =>
    `<${tag}${isText ? ' class="text"' : ""}>${escapeXml(text)}</${tag}>`;
  const head = columns.map((column) => cell("th", column.title, column)).join("");
  const body = rows.map(({ cells, isStrong }) => {
    const filled = columns.map((column, i) => cell("td", cells[i] ?? "", column)).join("");
    return `<tr${isStrong ? ' class="strong"' : ""}>${filled}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody></table></div>`;
}
