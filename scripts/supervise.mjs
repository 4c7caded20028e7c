// Watches over the gateway: starts it, and starts it again when it has died, at once and then with growing pauses. Signals
// that reach us reach it, and its end by such a signal, or by its own decision, is ours. Without dependencies.
import { spawn } from "node:child_process";

/** The gateway's word for "it would fail again in the same way" (apps/web/server/boot/exit-codes.ts). */
const configurationExitCode = 78;
const pausesMs = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/** Whoever has lived for so long has not died of its start. */
const livedMs = 60_000;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs the program until it ends for good; resolves with the exit code to end with. Options: `env`, `cwd`, `stdio` and
 * `detached` as spawn takes them; `onStart(pid)` is called for each process; `say(sentence)` for what there is to tell.
 * A first start that fails is not repeated: whoever has asked for it is there to read why.
 */
export function supervise(command, args, { onStart = () => {}, say = sayOnError, ...options } = {}) {
  const { env = process.env, stdio = "inherit", ...others } = options;
  let child = null;
  /** Whether the gateway has ever been up: until then a failure is that of the start. */
  let wasEverUp = false;
  let isStopping = false;
  /** How the one before ended, for the next one to tell, until one is up again. */
  let death = null;
  let failures = 0;
  let pause = null;

  return new Promise((resolve) => {
    for (const signal of signals) process.on(signal, () => handOn(signal));
    start();

    function handOn(signal) {
      isStopping = true;
      if (child) child.kill(signal);
      else if (pause) {
        clearTimeout(pause);
        resolve(1);
      }
    }

    function start() {
      pause = null;
      const startedAtMs = Date.now();
      const own = spawn(command, args, {
        ...others,
        stdio: [...(Array.isArray(stdio) ? stdio : [stdio, stdio, stdio]), "ipc"],
        env: death === null ? env : { ...env, GATEWAY_PREVIOUS_EXIT: String(death) },
      });
      child = own;
      if (own.pid) onStart(own.pid);
      own.on("message", (news) => {
        if (news === "stopping") isStopping = true;
        if (news !== "up") return;
        wasEverUp = true;
        death = null;
      });
      let isOver = false;
      const end = (code, signal) => {
        if (isOver) return;
        isOver = true;
        child = null;
        if (Date.now() - startedAtMs >= livedMs) failures = 0;
        afterEnd(code, signal);
      };
      own.on("exit", end);
      // Without a process there is no exit.
      own.on("error", () => own.pid === undefined && end(null, null));
    }

    function afterEnd(code, signal) {
      if (code === 0 || isStopping || !wasEverUp) return resolve(code ?? (isStopping && signal === null ? 0 : 1));
      if (code === configurationExitCode) {
        say("It is not started again: it would fail in the same way until the configuration is mended.");
        return resolve(code);
      }
      death ??= signal ?? code ?? 1;
      const pauseMs = pausesMs[Math.min(failures++, pausesMs.length - 1)];
      const when = pauseMs === 0 ? "at once" : `in ${pauseMs / 1_000} s`;
      say(`The gateway died (${signal ?? `exit code ${code}`}); it is started again ${when}.`);
      pause = setTimeout(start, pauseMs);
    }
  });
}

/** A terminal or a pipe that is gone is no reason to leave the gateway alone. */
function sayOnError(sentence) {
  console.error(sentence);
}
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
