// The package as users get it: packed, installed, then typed, bundled, and run under Nodes and in a browser.
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateRawSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../src/index.ts";
import { installPackedPackage, type PackedPackage, REPOSITORY } from "../support/packed.ts";
import { launchBrowser, type Site, serve, visit } from "./browser.ts";
import { buildProgram, bundleForPage } from "./bundle.ts";
import { type Verdict, writeJob } from "./job.ts";
import { findNode, runNode } from "./nodes.ts";

const LONG = 600_000;
const ENGINES: Engine[] = ["scalar", "simd"];

let installed: PackedPackage;
/** What every program must have found in the job. */
let complete: Omit<Verdict, "host">;

beforeAll(async () => {
  installed = await installPackedPackage();
  complete = await writeJob(join(installed.folder, "job"));
}, LONG);

afterAll(() => installed?.remove());

/** Every file that package.json promises, with a value that is a path in the package. */
function promised(value: unknown): string[] {
  if (typeof value === "string") return [value.replace(/^\.\//, "")];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(promised) : [];
}

describe("contents", () => {
  it("are modules, types, kernels, models, README, LICENSE and all that package.json names", async () => {
    const { exports, bin } = JSON.parse(await readFile(join(installed.root, "package.json"), "utf8"));
    const expected =
      /^dist\/.*\.(js|d\.ts|wasm)$|^firmware\/.*\.(c|h|S|inc|ld)$|^firmware\/prebuilt\/.*\.(bin|json)$|^models\/|^docs\/.*\.md$|^(LICENSE|README\.md|package\.json)$/;
    expect(installed.files.filter((file) => !expected.test(file))).toEqual([]);
    const needed = [
      "LICENSE",
      "README.md",
      "docs/arithmetic.md",
      "firmware/runtime.c",
      "models/kws/kws.tflite",
      ...promised([exports, bin]),
    ];
    expect(needed.filter((file) => !installed.files.includes(file))).toEqual([]);
  });

  it("hold both WebAssembly modules as files, as the runtime has them inlined", async () => {
    const require = createRequire(join(installed.project, "index.js"));
    const runtime = await bundleForPage(
      installed.project,
      'import { loadModel } from "thumbnet"; loadModel();',
    );
    const interfaces: WebAssembly.ModuleExportDescriptor[][] = [];
    for (const engine of ENGINES) {
      const bytes = await readFile(require.resolve(`thumbnet/${engine}.wasm`));
      interfaces.push(WebAssembly.Module.exports(await WebAssembly.compile(bytes)));
      const inlined = deflateRawSync(bytes, { level: 9 }).toString("base64");
      expect(runtime.outputFiles[0]!.text.includes(inlined), engine).toBe(true);
    }
    expect(interfaces[0]!.map(({ name }) => name)).toContain("run");
    expect(interfaces[1]).toEqual(interfaces[0]);
  });
});

describe("bundled for a page", () => {
  it("needs no other package, nothing of Node's and no top-level await", async () => {
    const { metafile } = await bundleForPage(
      installed.project,
      'export * from "thumbnet"; export * as tflite from "thumbnet/tflite";',
    );
    const inputs = Object.entries(metafile.inputs).filter(([path]) => path !== "<stdin>");
    expect(inputs.length).toBeGreaterThan(10);
    for (const [path, { imports }] of inputs) {
      expect(path).toContain("node_modules/thumbnet/dist/");
      expect(imports.filter(({ external }) => external)).toEqual([]);
    }
  });

  it("holds only the modules that are used", async () => {
    const code = 'import { ThumbnetError } from "thumbnet"; throw new ThumbnetError("none");';
    const { metafile, outputFiles } = await bundleForPage(installed.project, code);
    const [output] = Object.values(metafile.outputs);
    const used = Object.entries(output!.inputs).filter(
      ([path, { bytesInOutput }]) => path !== "<stdin>" && bytesInOutput > 0,
    );
    expect(used.map(([path]) => path.replace(/.*\/dist\//, ""))).toEqual(["errors.js"]);
    expect(outputFiles[0]!.contents.length).toBeLessThan(500);
  });
});

const CONSUMER = `
import { dequantize, type Engine, type InputData, loadModel, type Model, type ModelSource, type OperatorKind, type OutputData, quantize, supportsSimd, ThumbnetError } from "thumbnet";
import { readTflite, type TfliteModel, writeTflite } from "thumbnet/tflite";

export async function use(source: ModelSource, input: InputData): Promise<OutputData> {
  const engine: Engine = supportsSimd() ? "simd" : "scalar";
  const model: Model = await loadModel(source, { engine, name: "mine" });
  const kinds: OperatorKind[] = model.trace(input).map(({ name }) => name);
  const real: Float32Array = dequantize(model.run(input), model.outputs[0]!);
  const total: number = model.profile(input, { repetitions: 1 }).reduce((sum, { microseconds }) => sum + microseconds, 0);
  if (kinds.length === 0 && total > 0) throw new ThumbnetError("no operators");
  model.dispose();
  return quantize(real, model.inputs[0]!);
}
export const again = (bytes: Uint8Array): Uint8Array => {
  const model: TfliteModel = readTflite(bytes, "mine");
  return writeTflite(model);
};
// @ts-expect-error a path is no source
loadModel("model.tflite");
// @ts-expect-error there is no such engine
loadModel(new Uint8Array(0), { engine: "gpu" });
`;

describe("types", () => {
  it.each(["nodenext", "bundler"])(
    "satisfy a strict consumer with moduleResolution %s",
    async (moduleResolution) => {
      const module = moduleResolution === "bundler" ? "esnext" : "nodenext";
      const compilerOptions = {
        module,
        moduleResolution,
        target: "es2022",
        lib: ["es2022", "dom", "esnext.disposable"],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      };
      await writeFile(join(installed.project, "consumer.ts"), CONSUMER);
      await writeFile(
        join(installed.project, "tsconfig.json"),
        JSON.stringify({ compilerOptions, files: ["consumer.ts"] }),
      );
      const compiler = join(REPOSITORY, "node_modules/typescript/bin/tsc");
      await expect(
        runNode(process.execPath, installed.project, compiler, "-p", ".").catch(({ stdout }) => stdout),
      ).resolves.toBe("");
    },
    LONG,
  );
});

describe("the command line", () => {
  it("runs a model as installed, without sharp", { timeout: LONG }, async ({ skip }) => {
    if (!installed.hasDependencies) return skip("no dependencies");
    const job = join(installed.folder, "job");
    const { bin, version } = JSON.parse(await readFile(join(installed.root, "package.json"), "utf8"));
    const thumbnet = (...args: string[]) =>
      runNode(process.execPath, job, join(installed.root, bin.thumbnet), ...args);
    expect(await thumbnet("--version")).toBe(`${version}\n`);
    await copyFile(join(job, "random-CONV_2D-1.input0"), join(job, "input.bin"));
    await thumbnet("run", "random-CONV_2D-1.tflite", "input.bin", "--out", "output.bin");
    const [made, wanted] = ["output.bin", "random-CONV_2D-1.output0"].map((file) =>
      readFile(join(job, file)),
    );
    expect(await made).toEqual(await wanted);
  });

  it("has what training needs", { timeout: LONG }, async ({ skip }) => {
    if (!installed.hasDependencies) return skip("no dependencies");
    const main = join(installed.root, "dist/cli/main.js");
    const float = join(installed.root, "models/digits/float/digits.tflite");
    // The back end starts before the data set is looked for.
    const started = runNode(
      process.execPath,
      installed.folder,
      main,
      "train",
      float,
      ...["--data", "none", "--out", "run"],
    );
    await expect(started).rejects.toThrow(/thumbnet: none: no such file or folder/);
  });
});

describe("under Node", () => {
  it.for([20, 22, 24])("%i, every byte in both engines", { timeout: LONG }, async (major, { skip }) => {
    const binary = await findNode(major);
    if (!binary) return skip(`no Node ${major}`);
    const program = join(installed.project, "in-node.mjs");
    await buildProgram("in-node.ts", "thumbnet", program);
    const folder = pathToFileURL(join(installed.folder, "job/")).href;
    for (const engine of ENGINES) {
      const verdict: Verdict = JSON.parse(await runNode(binary, installed.project, program, engine, folder));
      expect(verdict).toEqual({ host: `Node ${major}`, ...complete });
    }
  });
});

describe("in a browser, without inline scripts and eval", () => {
  let browser: Browser | null = null;
  let server: Site | null = null;

  beforeAll(async () => {
    browser = await launchBrowser();
    if (!browser) return;
    const site = join(installed.folder, "site");
    const program = join(site, "bundle-me.mjs");
    await buildProgram("in-page.ts", "/package/dist/index.js", join(site, "modules.js"));
    await buildProgram("in-worker.ts", "/package/dist/index.js", join(site, "worker.js"));
    await buildProgram("in-page.ts", "thumbnet", program);
    const bundle = await bundleForPage(installed.project, await readFile(program, "utf8"));
    await writeFile(join(site, "bundle.js"), bundle.outputFiles[0]!.contents);
    const page = (script: string) => `<!doctype html><title>thumbnet</title><body></body>${script}`;
    await writeFile(join(site, "modules.html"), page('<script type="module" src="modules.js"></script>'));
    await writeFile(join(site, "bundle.html"), page('<script src="bundle.js"></script>'));
    await writeFile(join(site, "eval.html"), page('<script src="eval.js"></script>'));
    const evaluate = 'try { Function("")(); } catch ({ name }) { document.body.textContent = name; }';
    await writeFile(join(site, "eval.js"), `${evaluate} document.title = "done";`);
    const job = join(installed.folder, "job");
    server = await serve({ "/package/": installed.root, "/job/": job, "/": site });
  }, LONG);

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const modules = ENGINES.flatMap((engine) => [
    { what: "modules in a page", engine, host: "page", path: "modules.html?" },
    { what: "modules in a worker", engine, host: "worker", path: "modules.html?worker=worker.js&" },
  ]);
  const bundle = { what: "a bundle in a page", engine: "simd", host: "page", path: "bundle.html?" };

  it.for([...modules, bundle])(
    "$what, $engine: every byte",
    { timeout: LONG },
    async ({ engine, host, path }, { skip }) => {
      if (!browser || !server) return skip("no Chromium");
      const { text, errors } = await visit(browser, `${server.origin}/${path}engine=${engine}`);
      expect(errors).toEqual([]);
      expect(JSON.parse(text)).toEqual({ host, ...complete });
    },
  );

  it("and eval is indeed refused there", async ({ skip }) => {
    if (!browser || !server) return skip("no Chromium");
    expect((await visit(browser, `${server.origin}/eval.html`)).text).toBe("EvalError");
  });
});
