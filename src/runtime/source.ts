import { ThumbnetError } from "../errors.ts";

/** What a model can be loaded from. A URL may be `file:` under Node. */
export type ModelSource = Uint8Array | ArrayBuffer | URL | Response;

/** The bytes of a source, and what to call it in messages. */
export async function readSource(source: ModelSource): Promise<{ bytes: Uint8Array; name: string }> {
  if (source instanceof Uint8Array) return { bytes: source, name: "model" };
  if (source instanceof ArrayBuffer) return { bytes: new Uint8Array(source), name: "model" };
  if (source instanceof URL) return readUrl(source);
  if (typeof Response !== "undefined" && source instanceof Response) return readResponse(source, source.url);
  throw new ThumbnetError(
    `a model is loaded from a Uint8Array, an ArrayBuffer, a URL or a Response, not from ${describe(source)}`,
  );
}

function describe(value: unknown): string {
  if (typeof value === "string")
    return `the string "${value}" (for a path, use new URL(path, import.meta.url))`;
  return value === null || typeof value !== "object"
    ? String(value)
    : `a ${value.constructor?.name ?? "object"}`;
}

async function readUrl(url: URL): Promise<{ bytes: Uint8Array; name: string }> {
  if (url.protocol === "file:") {
    // Asked of the process, so that bundlers for the browser find no import to resolve.
    const fs = globalThis.process?.getBuiltinModule?.("node:fs");
    if (!fs) throw new ThumbnetError(`${url.href}: files can only be read under Node`);
    try {
      return { bytes: new Uint8Array(await fs.promises.readFile(url)), name: baseName(url.pathname) };
    } catch (error) {
      throw new ThumbnetError(`${url.href}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new ThumbnetError(`${url.href}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return readResponse(response, url.href);
}

async function readResponse(response: Response, url: string): Promise<{ bytes: Uint8Array; name: string }> {
  if (!response.ok) throw new ThumbnetError(`${url}: HTTP status ${response.status}`);
  return { bytes: new Uint8Array(await response.arrayBuffer()), name: baseName(url) || "model" };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
