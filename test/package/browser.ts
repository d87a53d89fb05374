import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { type Browser, chromium } from "playwright-core";

/** WebAssembly may be compiled; nothing inline, no eval, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

export interface Site {
  readonly origin: string;
  close(): void;
}

/** Serves folders on this machine. `mounts`: path prefix to folder; the first that fits. */
export async function serve(mounts: Readonly<Record<string, string>>): Promise<Site> {
  const server: Server = createServer(async ({ url }, response) => {
    const path = normalize(decodeURIComponent(new URL(url!, "http://localhost").pathname));
    const prefix = Object.keys(mounts).find((p) => path.startsWith(p));
    const content =
      prefix && (await readFile(join(mounts[prefix]!, path.slice(prefix.length))).catch(() => null));
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
    response.writeHead(content ? 200 : 404).end(content || "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Debian's Chromium, or what CHROMIUM_PATH names; null, with a warning, where there is none. */
export async function launchBrowser(): Promise<Browser | null> {
  const paths = [process.env.CHROMIUM_PATH, "/usr/bin/chromium", "/usr/bin/chromium-browser"];
  const executablePath = paths.find((path) => path && existsSync(path));
  if (!executablePath) {
    console.warn("SKIPPED: the package in a browser (no Chromium; set CHROMIUM_PATH)");
    return null;
  }
  const args = ["gpu", "quic", "background-networking", "component-update", "sync"].map(
    (f) => `--disable-${f}`,
  );
  return chromium.launch({
    executablePath,
    headless: true,
    args: ["--no-sandbox", "--no-first-run", ...args],
  });
}

/** Opens a page and waits for its title to be "done". */
export async function visit(browser: Browser, url: string): Promise<{ text: string; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on(
    "console",
    (message) =>
      message.type() === "error" && !/^Failed to load/.test(message.text()) && errors.push(message.text()),
  );
  try {
    await page.goto(url);
    await page.waitForFunction(() => document.title === "done");
    return { text: (await page.textContent("body")) ?? "", errors };
  } finally {
    await page.close();
  }
}
