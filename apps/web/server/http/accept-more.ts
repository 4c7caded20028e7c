/**
 * Lets a process accept several connections in one turn of its event loop. Node takes one per turn and listening handle
 * (libuv since 1.45), so that a loop with turns of 20 ms, as under an attack, accepts 50 in a second: honest clients would
 * wait for seconds behind those who open more. Each further handle of the same socket takes one more per turn.
 *
 * A process gets a second handle of a socket of its own only from another process. One that does nothing else hands them
 * back, and is ended. It is sent bare handles, and not servers: a server that a process is sent begins to accept there.
 */
import { spawn, type ChildProcess, type SendHandle } from "node:child_process";
import { Server as NetServer, type Socket } from "node:net";
import type { Log } from "@codex-gateway/gateway";
import type { Listening } from "./listen.ts";

/** Beside the first one, of each socket. */
const moreHandles = 7;
const handBackMs = 10_000;
/** Hands each handle back, and ends with its parent at the latest. */
const handBack = `
  process.on("message", (empty, handle) => process.send(empty, handle));
  process.on("disconnect", () => process.exit());
`;

/** Does not wait for it: until the handles are there, and where they cannot be had, one connection is taken per turn. */
export function acceptMore(listening: readonly Listening[], log: Log): void {
  const child: ChildProcess = spawn(process.execPath, ["-e", handBack], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: { NODE_ENV: "production" },
  });
  const left = listening.flatMap((each) => Array.from({ length: moreHandles }, () => each));
  const finish = () => {
    clearTimeout(late);
    child.kill("SIGKILL");
    if (left.length > 0 && areOpen(listening)) log("warn", "handles_not_had", { missing: left.length });
    left.length = 0;
  };
  /** One at a time: Node asserts that nothing of a channel that closes still waits to be sent. */
  const askForNext = () => {
    const next = left.at(-1);
    if (next && areOpen(listening)) child.send("", bareHandleOf(next.server), () => undefined);
    else finish();
  };
  // While it has a handle of a port, nobody else can have the port.
  for (const { server } of listening) server.once("close", finish);
  const late = setTimeout(finish, handBackMs).unref();
  child.once("error", finish);
  child.once("exit", finish);
  child.on("message", (_empty, handle: BareHandle | undefined) => {
    const owner = left.pop();
    if (owner && handle) acceptWith(owner, handle);
    else handle?.close();
    askForNext();
  });
  letGo(child);
  askForNext();
}

const areOpen = (listening: readonly Listening[]): boolean => listening.every(({ server }) => server.listening);

/** What a server listens by: Node sends and takes it, and has no name for it. */
type BareHandle = SendHandle & { close(): void };
const bareHandleOf = (server: NetServer): BareHandle => (server as unknown as { _handle: BareHandle })._handle;

/** It does not keep this process alive. */
function letGo(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

/** What the handle accepts is the server's, as if it had come by its own. */
function acceptWith({ server, more }: Listening, handle: BareHandle): void {
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
