/** Starts the gateway, says where it listens, and stops all of it on a signal. */
import { fileURLToPath } from "node:url";
import { loadDotEnv, readEnv } from "./env.ts";
import { createLogger } from "./log.ts";
import { startGateway, type Running } from "./start.ts";

const rootFolder = fileURLToPath(new URL("../../..", import.meta.url));

try {
  loadDotEnv(rootFolder);
  const env = readEnv(process.env, rootFolder);
  const logger = createLogger(env);
  const say = (event: string, sentence: string, fields: Record<string, unknown> = {}) => {
    if (env.LOG_FORMAT === "json") logger.log("info", event, fields);
    else console.log(sentence);
  };
  const starting = startGateway(env, rootFolder, logger.log);
  const stopping = new AbortController();
  const stop = () => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    say("stopping", "Stopping …");
    // A start is gone through with first: broken off, it would leave its database behind.
    starting
      .then((running) => running.stop())
      .then(
        (unsettled) => {
          say("stopped", `Stopped; ${unsettled} calls unsettled.`, { unsettled });
          logger.flush();
          process.exit(unsettled === 0 ? 0 : 1);
        },
        (error: unknown) => fail(error),
      );
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  const running = await starting;
  const { webUrl, apiUrl, isOwned } = running;
  if (!stopping.signal.aborted) say("started", greet(running), { webUrl, apiUrl, isOwned });
} catch (error) {
  fail(error);
}

function greet({ webUrl, apiUrl, setupLink }: Running): string {
  return [
    "Codex Gateway is running.",
    ...(webUrl ? [`  Pages  ${webUrl}`] : []),
    ...(apiUrl ? [`  API    ${apiUrl}`] : []),
    ...(setupLink ? ["", "Nobody owns it yet. Open this link to set it up; it works once:", `  ${setupLink}`, ""] : []),
    "Press Ctrl-C to stop.",
  ].join("\n");
}

function fail(error: unknown): never {
  console.error(`Codex Gateway: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
