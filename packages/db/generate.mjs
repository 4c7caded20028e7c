// Runs `prisma generate` without its download: the Rust-free client needs no schema engine, and any existing file
// satisfies the check for one.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const schema = fileURLToPath(new URL("../../prisma/schema.prisma", import.meta.url));
const { status } = spawnSync("pnpm", ["exec", "prisma", "generate", "--schema", schema], {
  stdio: "inherit",
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: "1" },
});
process.exit(status ?? 1);
