import { defineConfig } from "vitest/config";

// Workspace packages are tested from their sources, without a build.
const sourceConditions = ["source", "node"];

/**
 * By what a test may use: unit is memory alone (a set-up file sees to it), integration has sockets, files and one real
 * PostgreSQL with a cloned database per file, e2e the built gateway and a browser.
 */
export default defineConfig({
  ssr: { resolve: { conditions: sourceConditions, externalConditions: sourceConditions } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "packages/*/src/**/*.test.ts",
            "apps/web/**/*.test.ts",
            "bench/src/**/*.test.ts",
            "scripts/**/*.test.ts",
          ],
          exclude: ["**/*.integration.test.ts", "**/node_modules/**", "**/dist/**"],
          setupFiles: ["scripts/testing/pure.ts"],
          // They wait for nothing; on a busy machine a hundred thousand drawn cases take their time all the same.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: [
            "packages/*/src/**/*.integration.test.ts",
            "apps/web/**/*.integration.test.ts",
            "bench/src/**/*.integration.test.ts",
            "scripts/**/*.integration.test.ts",
          ],
          exclude: ["**/node_modules/**", "**/dist/**"],
          globalSetup: ["packages/db/src/testing/global-setup.ts"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 10_000 } },
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["apps/web/e2e/src/**/*.e2e.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 10_000 } },
          maxWorkers: 1,
        },
      },
      {
        extends: true,
        test: { name: "screenshots", include: ["apps/web/e2e/src/**/*.shots.ts"], hookTimeout: 60_000, maxWorkers: 1 },
      },
    ],
  },
});
