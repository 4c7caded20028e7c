/** Starts the gateway, says where it listens, and stops all of it on a signal. */
import { fileURLToPath } from "node:url";
import { readEnv } from "./env.ts";
import { startGateway } from "./start.ts";

const rootFolder = fileURLToPath(new URL("../../..", import.meta.url));

try {
  const running = await startGateway(readEnv(process.env, rootFolder), rootFolder);
  console.log(running.greeting);
  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    console.log("Stopping …");
    running.stop().then(
      (unsettled) => process.exit(unsettled === 0 ? 0 : 1),
      (error: unknown) => fail(error),
    );
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
} catch (error) {
  fail(error);
}

function fail(error: unknown): never {
  console.error(`Codex Gateway: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
