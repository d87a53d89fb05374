const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text for XML and HTML. Control characters and halves of surrogate pairs cannot stand in them. */
export function escapeXml(text: string): string {
  return text.replace(/\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, "?").replace(/[&<>"]/g, (c) => ENTITIES[c]!);
}
