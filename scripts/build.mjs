// Builds everything: record classes -> AssemblyScript (asc) -> wasm-opt -> inlined modules -> JavaScript.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
const at = (...parts) => join(root, ...parts);

/** The whole browser entry, WebAssembly included, minified and gzipped. */
const RUNTIME_LIMIT = 60 * 1024;
const TARGETS = ["scalar", "simd"];

function bin(packageName, file) {
  return join(dirname(require.resolve(`${packageName}/package.json`)), "bin", file);
}

function node(script, args) {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

/** Never half a file: written beside, then renamed; untouched when the content is the same. */
function writeFile(path, content) {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.tmp`, content);
  renameSync(`${path}.tmp`, path);
}

async function importTypeScript(path) {
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
  });
  return import(
    `data:text/javascript;base64,${Buffer.from(result.outputFiles[0].contents).toString("base64")}`
  );
}

const { assemblySource, cSource } = await importTypeScript(at("src/plan/records.ts"));
writeFile(at("assembly/support/records.ts"), assemblySource());
writeFile(at("firmware/support/records.h"), cSource());

/** Compiles one target of asconfig.json. @returns the optimised module */
function compile(target, entry) {
  node(bin("assemblyscript", "asc.js"), [entry, "--config", "asconfig.json", "--target", target]);
  const features = ["scalar", "plan"].includes(target) ? [] : ["--enable-simd"];
  const [raw, optimized] = [`build/${target}.raw.wasm`, `build/${target}.wasm`];
  const flags = [
    "-O3",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    // Hot loops stay functions of their own: a register allocator does worse in one that holds every kernel.
    "--one-caller-inline-max-function-size=100",
    ...features,
  ];
  node(bin("binaryen", "wasm-opt"), [raw, "-o", optimized, ...flags, "--strip-debug", "--strip-producers"]);
  return readFileSync(at(optimized));
}

/** A TypeScript module that holds WebAssembly modules as base64. */
function writeInlined(path, source, modules) {
  const constants = Object.entries(modules).map(
    ([target, bytes]) => `export const ${target} =\n  "${bytes.toString("base64")}";\n`,
  );
  writeFile(at(path), `// Written by scripts/build.mjs from ${source}. Do not edit.\n${constants.join("")}`);
}

mkdirSync(at("build"), { recursive: true });
const modules = Object.fromEntries(TARGETS.map((target) => [target, compile(target, "assembly/index.ts")]));
// Compressed before base64: a page's own compression finds little in base64.
const deflated = Object.fromEntries(
  TARGETS.map((target) => [target, deflateRawSync(modules[target], { level: 9 })]),
);
writeInlined("src/runtime/wasm.generated.ts", "assembly/, deflated", deflated);
// Planning is synchronous, and so is the making of its module, which is as small as pages allow.
const plan = compile("plan", "assembly/plan/index.ts");
writeInlined("src/plan/wasm.generated.ts", "assembly/plan/", { plan });
// Training has a module of its own, which the runtime does not load.
const train = compile("train", "assembly/train/index.ts");
writeInlined("src/train/kernels/wasm.generated.ts", "assembly/train/", { train });

// Built aside and then moved: a build that fails leaves the last one as it was.
const staged = at("build/dist");
rmSync(staged, { recursive: true, force: true });
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
node(tsc, ["-p", "tsconfig.build.json", "--outDir", "build/dist"]);
mkdirSync(join(staged, "wasm"));
for (const target of TARGETS) copyFileSync(at(`build/${target}.wasm`), join(staged, `wasm/${target}.wasm`));
// npx runs it as it is once it has been linked; npm makes it executable only when it installs.
chmodSync(join(staged, "cli/main.js"), 0o755);
rmSync(at("dist"), { recursive: true, force: true });
renameSync(staged, at("dist"));

const bundle = await build({
  entryPoints: [at("dist/index.js")],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  platform: "browser",
});
const bytes = bundle.outputFiles[0].contents;
const gzipped = gzipSync(bytes, { level: 9 }).length;
console.log(
  `runtime: ${gzipped} bytes minified and gzipped (limit ${RUNTIME_LIMIT}), ${bytes.length} minified; ` +
    Object.entries({ ...modules, plan, train })
      .map(([target, { length }]) => `${target}.wasm ${length}`)
      .join(", "),
);
if (gzipped > RUNTIME_LIMIT) {
  console.error(`runtime: ${gzipped - RUNTIME_LIMIT} bytes over the limit`);
  process.exit(1);
}
