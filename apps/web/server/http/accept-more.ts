/**
 * Lets a process accept several connections in one turn of its event loop. Node takes one per turn and listening handle
 * (libuv since 1.45), so that a loop with turns of 20 ms, as under an attack, accepts 50 in a second: honest clients would
 * wait for seconds behind those who open more. Each further handle of the same socket takes one more per turn.
 *
 * A process gets a second handle of a socket of its own only from another process. One that does nothing else hands them
 * back, and ends.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { Server as NetServer, type Socket } from "node:net";
import type { Log } from "@codex-gateway/gateway";
import type { Listening } from "./listen.ts";

/** Beside the first one, of each socket. */
const moreHandles = 7;
const handBackMs = 10_000;
/** Hands each handle back, and ends when all of its parent's questions are answered. */
const handBack = `
  process.on("message", (at, handle) => process.send(at, handle, { keepOpen: false }));
  process.on("disconnect", () => process.exit());
`;

/** Does not wait for it: until the handles are there, and where they cannot be had, one connection is taken per turn. */
export function acceptMore(listening: readonly Listening[], log: Log): void {
  const child: ChildProcess = spawn(process.execPath, ["-e", handBack], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: { NODE_ENV: "production" },
  });
  let missing = listening.length * moreHandles;
  const finish = () => {
    clearTimeout(late);
    if (child.connected) child.disconnect();
    if (missing > 0) log("warn", "handles_not_had", { missing });
    missing = 0;
  };
  const late = setTimeout(() => child.kill("SIGKILL"), handBackMs).unref();
  child.once("error", finish);
  child.once("exit", finish);
  child.on("message", (at: number, handle: NetServer | undefined) => {
    const owner = listening[at];
    if (owner && handle) acceptWith(owner, handle);
    if (--missing === 0) finish();
  });
  letGo(child);
  listening.forEach(({ server }, at) => {
    for (let n = 0; n < moreHandles; n++) child.send(at, server, () => undefined);
  });
}

/** It does not keep this process alive. */
function letGo(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

/** What the handle accepts is the server's, as if it had come by its own. */
function acceptWith({ server, more }: Listening, handle: NetServer): void {
  if (!server.listening) {
    handle.close();
    return;
  }
  // As an HTTP server makes its own: a client may close its side once it has sent its request.
  const acceptor = new NetServer({ allowHalfOpen: true, noDelay: true });
  acceptor.on("connection", (socket: Socket) => server.emit("connection", socket));
  acceptor.on("error", (error) => server.emit("error", error));
  acceptor.listen(handle);
  more.add(acceptor);
}
