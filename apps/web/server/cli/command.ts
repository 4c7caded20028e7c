/** What every command beside the gateway shares: the environment, one sentence on a fault, and an orderly end. */
import { fileURLToPath } from "node:url";
import { loadDotEnv, readEnv, type Env } from "../boot/env.ts";

export type CommandParts = {
  env: Env;
  rootFolder: string;
  /** What the command opened; undone in the opposite order, also after a fault. */
  undo: (() => Promise<unknown>)[];
};

/** Runs the command and ends the process with the exit code that it resolves to; 1 where it throws. */
export async function runCommand(command: (parts: CommandParts) => Promise<number>): Promise<never> {
  const rootFolder = fileURLToPath(new URL("../../../..", import.meta.url));
  const undo: CommandParts["undo"] = [];
  const end = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    loadDotEnv(rootFolder);
    const exitCode = await command({ env: readEnv(process.env, rootFolder), rootFolder, undo });
    await end();
    process.exit(exitCode);
  } catch (error) {
    await end().catch(() => undefined);
    console.error(`Codex Gateway: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}

/** The file that the command was given; undefined: none. @throws Error where it is given an option: it takes none */
export function fileArgument(): string | undefined {
  const [given, ...more] = process.argv.slice(2);
  if (more.length > 0 || (given?.startsWith("-") && given !== "-")) {
    throw new Error("This command takes the name of one file, or - for standard input or output, and no options.");
  }
  return given;
}
