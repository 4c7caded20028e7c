/** Starts the gateway, says where it listens, and stops all of it on a signal. */
import { fileURLToPath } from "node:url";
import { loadDotEnv, readEnv, type Env } from "./env.ts";
import { brokenExitCode } from "./exit-codes.ts";
import { exitCodeOf } from "./configuration-error.ts";
import { createLastGuard, guardProcess } from "../observability/last-guard.ts";
import { createLogger } from "../observability/log.ts";
import { startGateway, type Running } from "./start.ts";
import { tellSupervisor } from "./supervisor.ts";

const rootFolder = fileURLToPath(new URL("../../../..", import.meta.url));
/** One Ctrl-C comes more than once under npm: from the terminal, and from each parent that hands it on. */
const oneCtrlCMs = 500;
/** For a process that is in doubt: its calls are told so, and settled as far as it still can. */
const lastStopMs = 10_000;

try {
  loadDotEnv(rootFolder);
  await run(readEnv(process.env, rootFolder));
} catch (error) {
  fail(error);
}

async function run(env: Env): Promise<void> {
  const logger = createLogger(env);
  const say = (event: string, sentence: string, fields: Record<string, unknown> = {}) => {
    if (env.LOG_FORMAT === "json") logger.log("info", event, fields);
    else {
      logger.flush();
      console.log(sentence);
    }
  };
  const exit = (code: number): never => {
    logger.flush();
    process.exit(code);
  };
  const guard = createLastGuard({ log: logger.log, end: endBroken });
  guardProcess(guard);
  const starting = startGateway(env, rootFolder, logger.log);
  let running: Running | null = null;
  /** 0: nobody has asked for a stop. */
  let stoppingAtMs = 0;
  let isHurried = false;

  /** Ends a process that nobody can rely on any more; whoever watches over it starts another one. */
  function endBroken(reason: string): void {
    logger.log("error", "ending", { reason });
    setTimeout(() => exit(brokenExitCode), lastStopMs);
    const stopped = starting.then((started) => {
      started.hurry();
      return started.stop();
    });
    stopped.then(
      () => exit(brokenExitCode),
      () => exit(brokenExitCode),
    );
  }

  function stop(signal: NodeJS.Signals): void {
    stoppingAtMs = Date.now();
    tellSupervisor("stopping");
    const calls = running?.callsUnderWay() ?? 0;
    say("stopping", stopSentence(calls, env.DRAIN_SECONDS, signal), { calls });
    // A start is gone through with first: broken off, it would leave its database behind.
    starting
      .then((started) => started.stop())
      .then(
        (unsettled) => {
          say("stopped", `Stopped; ${unsettled} calls unsettled.`, { unsettled });
          exit(unsettled === 0 ? 0 : 1);
        },
        (error: unknown) => fail(error),
      );
  }

  function hurry(): void {
    const calls = running?.callsUnderWay() ?? 0;
    if (isHurried || calls === 0) return;
    isHurried = true;
    say("cutting_off", `Cutting off ${countOf(calls)} …`, { calls });
    running?.hurry();
  }

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (stoppingAtMs === 0) stop(signal);
      else if (signal === "SIGINT" && Date.now() - stoppingAtMs > oneCtrlCMs) hurry();
    });
  }
  const started = await starting;
  running = started;
  guard.onFault((fault) => started.noteFault(fault));
  tellSupervisor("up");
  const { webUrl, apiUrl, isOwned } = running;
  if (stoppingAtMs === 0) say("started", greet(running), { webUrl, apiUrl, isOwned });
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
  process.exit(exitCodeOf(error));
}
