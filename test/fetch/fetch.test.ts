import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FetchOptions, fetchSet } from "../../src/fetch/fetch-set.ts";
import type { Source } from "../../src/fetch/sources.ts";
import { thumbnet } from "../cli/cli.ts";
import { tarGz } from "../support/tar.ts";

/** Noise, which gzip leaves as long as it is. */
const noise = createHash("shake256", { outputLength: 300000 }).update("1").digest("base64");
const ARCHIVE = tarGz([
  { path: "set/a.txt", content: "first" },
  { path: "set/b.txt", content: noise },
]);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let answer: Answer;
/** The first byte that each request asked for. */
let asked: number[];
let address: string;
let root: string;

const server = createServer((request, response) => {
  asked.push(Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0));
  answer(request, response);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/set.tar.gz`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "thumbnet-fetch-"));
  asked = [];
  answer = serve();
});
afterEach(() => rmSync(root, { recursive: true }));

/** Answers with the archive. @param upTo where the connection breaks */
function serve({ upTo = ARCHIVE.length, ranges = true } = {}): Answer {
  return (_, response) => {
    const from = ranges ? asked.at(-1)! : 0;
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": ARCHIVE.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${ARCHIVE.length - 1}/${ARCHIVE.length}` }),
    });
    const part = ARCHIVE.subarray(from, Math.max(from, upTo));
    if (upTo >= ARCHIVE.length) response.end(part);
    else response.write(part, () => setImmediate(() => response.destroy()));
  };
}

const source = (): Source => ({
  name: "little",
  what: "two files",
  origin: { kind: "http", url: address },
  bytes: ARCHIVE.length,
  checksum: { algorithm: "sha256", hex: createHash("sha256").update(ARCHIVE).digest("hex") },
  strip: 1,
  licence: "none",
});

const QUICK: FetchOptions = { pauseMs: 1, attempts: 2 };
const get = (options: FetchOptions = {}, from = source()) =>
  fetchSet(from, join(root, "set"), { ...QUICK, ...options });

function expectFetched(): void {
  expect(readdirSync(root)).toEqual(["set"]);
  expect(readdirSync(join(root, "set")).sort()).toEqual(["a.txt", "b.txt", "fetched.json"]);
  expect(readFileSync(join(root, "set/a.txt"), "utf8")).toBe("first");
  expect(readFileSync(join(root, "set/b.txt"), "utf8")).toBe(noise);
}

describe("fetching a data set", () => {
  it("makes a folder, once", async () => {
    const seen: number[] = [];
    expect(await get({ onProgress: (done) => seen.push(done) })).toEqual({
      folder: join(root, "set"),
      files: 2,
    });
    expectFetched();
    expect(seen).toContain(ARCHIVE.length);
    expect(JSON.parse(readFileSync(join(root, "set/fetched.json"), "utf8")).licence).toBe("none");
    expect((await get()).files).toBeNull();
    expect(asked).toEqual([0]);
  });

  it("goes on after connections that break", async () => {
    let requests = 0;
    answer = (...both) => {
      requests++;
      serve({ upTo: requests < 4 ? requests * 100000 : ARCHIVE.length })(...both);
    };
    const reasons: string[] = [];
    await get({ onRetry: (reason) => reasons.push(reason) });
    expectFetched();
    expect(asked).toHaveLength(4);
    expect(asked.every((from, i) => i === 0 || from > asked[i - 1]!)).toBe(true);
    expect(reasons).toHaveLength(3);
  });

  it("goes on in a later run, or from the start where the server cannot", async () => {
    answer = serve({ upTo: 100000 });
    await expect(get()).rejects.toThrow(/set\.tar\.gz: /);
    const stopped = readFileSync(join(root, "set.part"));
    expect(stopped.equals(ARCHIVE.subarray(0, stopped.length))).toBe(true);
    expect(readdirSync(root)).toEqual(["set.part"]);
    asked = [];
    answer = serve({ ranges: false, upTo: 200000 });
    await expect(get({ attempts: 1 })).rejects.toThrow();
    answer = serve();
    await get();
    expect(asked).toEqual([stopped.length, 200000]);
    expectFetched();
  });

  it("takes a server that fails for a while", async () => {
    answer = (...both) => {
      if (asked.length > 1) return serve()(...both);
      both[1].writeHead(503).end();
    };
    await get();
    expectFetched();
  });

  it("takes a connection without a byte as broken", async () => {
    answer = (_, response) => response.writeHead(200, { "content-length": ARCHIVE.length }).flushHeaders();
    await expect(get({ silenceMs: 20, attempts: 1 })).rejects.toThrow(/nothing came for 0\.02 s/);
  });

  it("takes the archive from a file, which stays", async () => {
    writeFileSync(join(root, "mine.tgz"), ARCHIVE);
    await get({ from: join(root, "mine.tgz") });
    rmSync(join(root, "mine.tgz"));
    expectFetched();
    expect(asked).toEqual([]);
  });

  it("refuses what is not there, or something else", async () => {
    answer = (_, response) => response.writeHead(404).end();
    await expect(get()).rejects.toThrow(/set\.tar\.gz: answers 404 Not Found/);
    expect(asked).toHaveLength(1);
    answer = serve();
    await expect(get({}, { ...source(), bytes: 5 })).rejects.toThrow(
      `has ${ARCHIVE.length} bytes; expected: 5`,
    );
    const checksum = { algorithm: "sha256", hex: "00" } as const;
    await expect(get({}, { ...source(), checksum })).rejects.toThrow(
      /has the sha256 checksum .* expected: 00/,
    );
    expect(readdirSync(root)).toEqual([]);
    await expect(get({ from: "http://127.0.0.1:1/x" })).rejects.toThrow(/127\.0\.0\.1:1\/x: .*fetch failed/);
  });

  it("leaves folders alone that it did not make", async () => {
    mkdirSync(join(root, "set"));
    await expect(get()).rejects.toThrow(/set: is there already, and is not little; choose another place/);
    await expect(fetchSet(source(), join(root, "no/set"), QUICK)).rejects.toThrow(
      /no: no such file or folder/,
    );
    expect(asked).toEqual([]);
  });

  it("says that the disk is full", async ({ skip }) => {
    if (!existsSync("/dev/full")) return skip("no /dev/full");
    symlinkSync("/dev/full", join(root, "set.part"));
    await expect(get()).rejects.toThrow(/set\.part: no space left on the disk/);
    expect(asked).toHaveLength(1);
  });
});

describe("thumbnet fetch", () => {
  it("names the data sets, and what is wrong", () => {
    const { code, stderr } = thumbnet("fetch", "imagenet");
    expect(code).toBe(2);
    expect(stderr).toMatch(/imagenet.*Allowed choices are cifar10, mnist, speech-commands/);
    const out = ["--out", join(root, "x")];
    const fail = (...args: string[]) => {
      const result = thumbnet("fetch", "mnist", ...out, ...args);
      expect(result.code).toBe(1);
      return result.stderr;
    };
    expect(fail("--from", join(root, "none.tgz"))).toMatch(/none\.tgz: no such file or folder/);
    writeFileSync(join(root, "wrong.tgz"), ARCHIVE);
    expect(fail("--from", join(root, "wrong.tgz"))).toMatch(/wrong\.tgz: has \d+ bytes; expected: 4901319/);
    expect(readdirSync(root)).toEqual(["wrong.tgz"]);
  });
});
