import type { Resident } from "./sources.ts";

export const COMPILE = [
  ...["-std=c99", "-Os", "-Wall", "-Wextra", "-Wconversion"],
  ...["-ffunction-sections", "-fdata-sections"],
];
/** For sources that say so: their loops are worth more than their bytes. */
export const FAST = "-O2";

/** Whether a C source asks for {@link FAST}. */
export function isFast(source: string): boolean {
  return source.includes("/* Compiled for speed");
}

export const INCLUDE = ["-I.", "-Ithumbnet"];
export const CPU = ["-mcpu=cortex-m0plus", "-mthumb"];
export const ARM = "arm-none-eabi-";
export const PICO_INCLUDE = "-Itargets/rp2040";

/** How the program for the Pico is linked; libgcc has the division that ARMv6-M lacks. */
export function linkFlags(resident: Resident): string[] {
  return ["-nostdlib", "-Wl,--gc-sections", `-Ttargets/rp2040/${resident}.ld`];
}
export const LIBRARIES = ["-lgcc"];

const ADDRESS: Readonly<Record<Resident, string>> = { flash: "0x10000000", ram: "0x20000000" };

function list(name: string, items: readonly string[]): string {
  return `${name} = \\\n${items.map((item) => `  ${item}`).join(" \\\n")}\n`;
}

/**
 * The Makefile of a project, for GNU make.
 *
 * @param portable sources for all targets
 * @param pico sources for the Pico alone
 * @param fast those of both that are compiled for speed
 */
export function makefile(
  resident: Resident,
  portable: readonly string[],
  pico: readonly string[],
  fast: readonly string[],
): string {
  const [warnings, others] = [
    COMPILE.filter((f) => f.startsWith("-W")),
    COMPILE.filter((f) => !f.startsWith("-W")),
  ];
  return `# make host    builds build/host for this machine and runs it
# make pico    builds build/pico.elf, .bin and .uf2 for a Raspberry Pi Pico
# make size    shows what the program for the Pico takes
# make clean   removes what was built
# With other compilers: make host CC=clang, make pico ARM=/path/to/${ARM}

ARM = ${ARM}
WARNINGS = ${warnings.join(" ")}
CFLAGS = ${[...others, "$(WARNINGS)", ...INCLUDE].join(" ")} -MMD -MP
CPU = ${CPU.join(" ")}
LINK = ${linkFlags(resident).join(" ")}
ADDRESS = ${ADDRESS[resident]}

${list("SOURCES", portable)}
${list("PICO_SOURCES", pico)}
${list("FAST_SOURCES", fast)}
HOST_OBJECTS = $(SOURCES:%=build/host.objects/%.o)
PICO_OBJECTS = $(SOURCES:%=build/pico.objects/%.o) $(PICO_SOURCES:%=build/pico.objects/%.o)

.PHONY: help host pico size clean need-cc need-arm
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# //p' Makefile

host: build/host
	@./build/host

pico: build/pico.elf build/pico.bin build/pico.uf2

size: build/pico.elf
	@$(ARM)size $(PICO_OBJECTS) build/pico.elf

clean:
	rm -rf build

need-cc:
	@command -v $(CC) >/dev/null || { echo "$(CC) is not installed: get a C compiler, \\
	gcc or clang (Debian, Ubuntu: apt-get install gcc), or name one with CC=" >&2; exit 1; }

need-arm:
	@command -v $(ARM)gcc >/dev/null || { echo "$(ARM)gcc is not installed: get the Arm GNU toolchain \\
	(Debian, Ubuntu: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi); make host works without it" >&2; exit 1; }
	@echo '#include <string.h>' | $(ARM)gcc -E - >/dev/null 2>&1 || { echo "$(ARM)gcc has no string.h: \\
	get its C library (Debian, Ubuntu: apt-get install libnewlib-arm-none-eabi)" >&2; exit 1; }

build/host: $(HOST_OBJECTS)
	$(CC) $^ -o $@

build/pico.elf: $(PICO_OBJECTS) targets/rp2040/${resident}.ld
	$(ARM)gcc $(CPU) $(LINK) $(PICO_OBJECTS) ${LIBRARIES.join(" ")} -o $@

build/pico.bin: build/pico.elf
	$(ARM)objcopy -O binary $< $@

build/pico.uf2: build/pico.bin build/uf2
	./build/uf2 $< $(ADDRESS) $@

build/uf2: tools/uf2.c | need-cc
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< -o $@

build/host.objects/%.c.o: %.c | need-cc
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Itargets/host -c $< -o $@

$(FAST_SOURCES:%=build/pico.objects/%.o): CFLAGS += ${FAST}

build/pico.objects/%.o: % | need-arm
	@mkdir -p $(@D)
	$(ARM)gcc $(CPU) $(CFLAGS) ${PICO_INCLUDE} -c $< -o $@

-include $(HOST_OBJECTS:.o=.d) $(PICO_OBJECTS:.o=.d)
`;
}
