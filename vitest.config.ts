import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // By default one core is left over for watching, which on two cores leaves one.
    maxWorkers: "100%",
  },
});
