/** JSON for people and programs: indented, lists of numbers on one line, a newline at the end. */
export function formatJson(value: unknown): string {
  // A line feed stands only between values, never inside a string: a list without quotes holds no strings.
  const text = JSON.stringify(value, null, 2).replace(
    /\[\n\s+([^[\]{}"]*?)\n\s+\]/g,
    (_, items: string) => `[${items.replace(/\s+/g, " ")}]`,
  );
  return `${text}\n`;
}
