/** Starts the gateway, says where it listens, and stops all of it on a signal. */
import { fileURLToPath } from "node:url";
import { loadDotEnv, readEnv } from "./env.ts";
import { createLogger } from "./log.ts";
import { startGateway, type Running } from "./start.ts";

const rootFolder = fileURLToPath(new URL("../../..", import.meta.url));
/** One Ctrl-C comes more than once under npm: from the terminal, and from each parent that hands it on. */
const oneCtrlCMs = 500;

try {
  loadDotEnv(rootFolder);
  const env = readEnv(process.env, rootFolder);
  const logger = createLogger(env);
  const say = (event: string, sentence: string, fields: Record<string, unknown> = {}) => {
    if (env.LOG_FORMAT === "json") logger.log("info", event, fields);
    else console.log(sentence);
  };
  const starting = startGateway(env, rootFolder, logger.log);
  let running: Running | null = null;
  /** 0: nobody has asked for a stop. */
  let stoppingAtMs = 0;
  let isHurried = false;
  const stop = (signal: NodeJS.Signals) => {
    stoppingAtMs = Date.now();
    const calls = running?.callsUnderWay() ?? 0;
    say("stopping", stopSentence(calls, env.DRAIN_SECONDS, signal), { calls });
    // A start is gone through with first: broken off, it would leave its database behind.
    starting
      .then((started) => started.stop())
      .then(
        (unsettled) => {
          say("stopped", `Stopped; ${unsettled} calls unsettled.`, { unsettled });
          logger.flush();
          process.exit(unsettled === 0 ? 0 : 1);
        },
        (error: unknown) => fail(error),
      );
  };
  const hurry = () => {
    const calls = running?.callsUnderWay() ?? 0;
    if (isHurried || calls === 0) return;
    isHurried = true;
    say("cutting_off", `Cutting off ${countOf(calls)} …`, { calls });
    running?.hurry();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (stoppingAtMs === 0) stop(signal);
      else if (signal === "SIGINT" && Date.now() - stoppingAtMs > oneCtrlCMs) hurry();
    });
  }
  running = await starting;
  const { webUrl, apiUrl, isOwned } = running;
  if (stoppingAtMs === 0) say("started", greet(running), { webUrl, apiUrl, isOwned });
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

function stopSentence(calls: number, drainSeconds: number, signal: NodeJS.Signals): string {
  if (calls === 0) return "Stopping …";
  const wayOut = signal === "SIGINT" ? "; press Ctrl-C again to cut it short" : "";
  return `Stopping: waiting for ${countOf(calls)}, at most ${drainSeconds} s${wayOut}.`;
}

function countOf(calls: number): string {
  return calls === 1 ? "1 call" : `${calls} calls`;
}

function fail(error: unknown): never {
  console.error(`Codex Gateway: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
