/** Tells errors that would come again at every start from those that may pass. */
import { StartError } from "@codex-gateway/db";
import { configurationExitCode } from "./exit-codes.ts";

/** What somebody has to mend before a start can succeed, in one sentence. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

/** Returns the code that the process ends with where its start has failed. */
export function exitCodeOf(error: unknown): number {
  const isFinal = error instanceof ConfigurationError || (error instanceof StartError && error.isFinal);
  return isFinal ? configurationExitCode : 1;
}

/** Does `work`, whose errors are the configuration's. @throws ConfigurationError */
export function asConfiguration<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new ConfigurationError((error as Error).message, { cause: error });
  }
}
