/** Structured logs, one JSON object per line on standard output. Never a prompt, a body or a secret. */
import type { Log } from "@codex-gateway/gateway";
import { pino } from "pino";
import type { Env } from "../boot/env.ts";
import { createLogDestination } from "./log-destination.ts";

/** A second wall: no field of these names is ever written. */
const secretFields = ["authorization", "cookie", "apiKey", "password", "secret", "token", "body", "prompt"];

export type Logger = { log: Log; flush: () => void };

/** `fd` is standard output, except in tests. */
export function createLogger({ LOG_LEVEL }: Pick<Env, "LOG_LEVEL">, fd = 1): Logger {
  const destination = createLogDestination(fd, { onRecovered: (lines) => logger.warn({ lines }, "log_lines_lost") });
  const logger = pino(
    {
      level: LOG_LEVEL,
      base: null,
      messageKey: "event",
      timestamp: () => `,"at":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields, censor: "***" },
    },
    destination,
  );
  return {
    log: (level, event, fields) => logger[level](fields, event),
    flush: () => destination.flush(),
  };
}
