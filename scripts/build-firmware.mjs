// Builds the firmware that runs any image on the emulated RP2040: firmware/prebuilt/rp2040.bin and rp2040.json.
//   node scripts/build-firmware.mjs [--out DIR] [--firmware DIR]   builds (DIRs: default in this repository)
//   node scripts/build-firmware.mjs --hash [--firmware DIR]        only prints the hash of the sources
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({
  options: { out: { type: "string" }, firmware: { type: "string" }, hash: { type: "boolean" } },
});
const firmware = resolve(values.firmware ?? join(root, "firmware"));
const out = resolve(values.out ?? join(firmware, "prebuilt"));

const TOOLS = "arm-none-eabi-";
const CPU = ["-mcpu=cortex-m0plus", "-mthumb"];
const COMPILE = [
  ...["-Os", "-std=c99", "-ffunction-sections", "-fdata-sections"],
  ...["-Wall", "-Wextra", "-Wconversion", "-Werror", "-I."],
];
/** For sources that say so; see src/mcu/export/makefile.ts. */
const FAST = { flag: "-O2", mark: "/* Compiled for speed" };
const LINK = ["-nostdlib", "-Wl,--gc-sections", "-Ttargets/rp2040/flash.ld"];

/** Where the emulator puts the image: the code must end before. */
const IMAGE_ADDRESS = 0x10010000;
const FLASH = 0x10000000;
const RAM = 0x20000000;
const BOOT2_BYTES = 256;
const SYMBOLS = ["mailbox", "vectors", "bss_end", "stack_top", "stack_bytes"];

/** Compiled for their sizes, which belong to exported programs, but not linked. */
const EXPORTED_ONLY = ["log.c", "targets/rp2040/board.c"];
/** What only this firmware has: an exported program brings its own. */
const EMULATED_ONLY = ["kernels.c", "targets/rp2040/emulated.c"];

/** All C, assembly and linker sources, and what they include, below `firmware`, sorted by path. */
function sources() {
  return readdirSync(firmware, { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => /\.(c|h|S|inc|ld)$/.test(path) && !/^(examples|targets\/host|prebuilt)\//.test(path))
    .sort((a, b) => (a < b ? -1 : 1));
}

/** SHA-256 over the flags, then for each source its path, length and content. */
function sourceHash() {
  const hash = createHash("sha256").update(JSON.stringify([CPU, COMPILE, FAST, LINK]));
  for (const path of sources()) {
    const content = readFileSync(join(firmware, path));
    hash.update(`\n${path} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

function tool(name, args) {
  try {
    return execFileSync(`${TOOLS}${name}`, args, {
      cwd: firmware,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  } catch (error) {
    if (error.code === "ENOENT") {
      fail(`${TOOLS}${name} is not installed: get the Arm GNU toolchain (Debian: gcc-arm-none-eabi)`);
    }
    return fail(`${TOOLS}${name} ended with exit code ${error.status}`);
  }
}

function fail(message) {
  console.error(`build-firmware: ${message}`);
  process.exit(1);
}

const hex = (value) => `0x${value.toString(16).padStart(8, "0")}`;

/** The bootrom's: polynomial 0x04c11db7 from 0xffffffff, not reflected, nothing added at the end. */
function bootromCrc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

function checkBoot2(binary) {
  const expected = bootromCrc32(binary.subarray(0, BOOT2_BYTES - 4));
  const found = binary.readUInt32LE(BOOT2_BYTES - 4);
  if (found !== expected) fail(`boot2.S ends with the CRC-32 ${hex(found)}; it must be ${hex(expected)}`);
}

/** Bytes of code and constants, and of variables, by object file or archive member. */
function sectionSizes(files) {
  const sizes = new Map();
  let entry;
  for (const line of tool("size", ["-A", ...files]).split("\n")) {
    // "file.o  :", or "member.o  (ex archive):"
    const [, name] = /^(\S+)\s+(?:\(ex .*\))?:$/.exec(line) ?? [];
    if (name) {
      entry = { flash: 0, ram: 0 };
      sizes.set(name, entry);
    }
    const [, section, size] =
      /^\.(text|rodata|vectors|boot2|entry|data|bss)\S*\s+(\d+)\s+\d+$/.exec(line) ?? [];
    if (!section || section === "entry") continue;
    if (section !== "bss") entry.flash += Number(size);
    if (section === "data" || section === "bss") entry.ram += Number(size);
  }
  return sizes;
}

/** Symbols that an object, or a member of an archive, defines and needs. */
function symbols(file) {
  const found = new Map();
  for (const line of tool("nm", ["-A", file]).split("\n")) {
    const [, place, type, name] = /^(.*?):(?:[0-9a-f]*)\s+([A-Za-z])\s+(\S+)$/.exec(line) ?? [];
    if (!place) continue;
    const member = place.slice(place.lastIndexOf(":") + 1);
    if (!found.has(member)) found.set(member, { defines: [], needs: [] });
    if (type === "U") found.get(member).needs.push(name);
    else if (/[A-Z]/.test(type)) found.get(member).defines.push(name);
  }
  return found;
}

/** Of C that the chip's assembly stands for. */
const NO_SYMBOLS = { defines: [], needs: [] };

/** Every object by its source, with its sizes and the objects that it refers to; of libgcc what is reached. */
function describeObjects(objects, libgcc) {
  const all = new Map();
  const sizes = sectionSizes([...objects.values(), libgcc]);
  const definedBy = new Map();
  const add = (id, sizeKey, { defines, needs }) => {
    all.set(id, { ...sizes.get(sizeKey), needs });
    if (!EMULATED_ONLY.includes(id))
      for (const name of defines) if (!definedBy.has(name)) definedBy.set(name, id);
  };
  for (const [source, object] of objects) add(source, object, symbols(object).get(object) ?? NO_SYMBOLS);
  for (const [member, entry] of symbols(libgcc)) add(`libgcc/${member}`, member, entry);

  const described = {};
  const visit = (id) => {
    if (described[id]) return;
    const { flash, ram, needs } = all.get(id);
    const uses = [...new Set(needs.map((name) => definedBy.get(name)))].filter((used) => used && used !== id);
    described[id] = { flash, ram, uses: uses.sort() };
    uses.forEach(visit);
  };
  [...objects.keys()].forEach(visit);
  return Object.fromEntries(Object.entries(described).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function build(folder) {
  const objects = new Map();
  for (const source of sources().filter((path) => /\.(c|S)$/.test(path))) {
    const object = join(folder, `${source.replaceAll("/", "-")}.o`);
    const isFast = readFileSync(join(firmware, source), "utf8").includes(FAST.mark);
    tool("gcc", [...CPU, ...COMPILE, ...(isFast ? [FAST.flag] : []), "-c", source, "-o", object]);
    objects.set(source, object);
  }
  const linked = [...objects]
    .filter(([source]) => !EXPORTED_ONLY.includes(source))
    .map(([, object]) => object);
  const elf = join(folder, "rp2040.elf");
  const bin = join(folder, "rp2040.bin");
  tool("gcc", [...CPU, ...LINK, ...linked, "-lgcc", "-o", elf]);
  tool("objcopy", ["-O", "binary", elf, bin]);

  const binary = readFileSync(bin);
  checkBoot2(binary);
  if (FLASH + binary.length > IMAGE_ADDRESS) {
    fail(`the code has ${binary.length} bytes; the image lies ${IMAGE_ADDRESS - FLASH} bytes into the flash`);
  }
  const addresses = new Map(
    tool("nm", [elf])
      .split("\n")
      .map((line) => line.split(" "))
      .map(([address, , name]) => [name, Number.parseInt(address, 16)]),
  );
  const libgcc = tool("gcc", [...CPU, "-print-libgcc-file-name"]).trim();
  return {
    binary,
    description: {
      compiler: tool("gcc", ["--version"]).split("\n")[0],
      sources: sourceHash(),
      sha256: createHash("sha256").update(binary).digest("hex"),
      bytes: binary.length,
      ram_bytes: addresses.get("bss_end") - RAM,
      image_address: IMAGE_ADDRESS,
      symbols: Object.fromEntries(SYMBOLS.map((name) => [name, addresses.get(name)])),
      objects: describeObjects(objects, libgcc),
    },
  };
}

/** Never half a file: written beside, then renamed. */
function writeFile(path, content) {
  writeFileSync(`${path}.tmp`, content);
  renameSync(`${path}.tmp`, path);
}

if (values.hash) {
  console.log(sourceHash());
} else {
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-firmware-"));
  try {
    const { binary, description } = build(folder);
    mkdirSync(out, { recursive: true });
    writeFile(join(out, "rp2040.bin"), binary);
    writeFile(join(out, "rp2040.json"), `${JSON.stringify(description, null, 2)}\n`);
    console.log(
      `firmware: ${binary.length} bytes, ${description.ram_bytes} bytes of RAM, ${description.compiler}`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
