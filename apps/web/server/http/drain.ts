/**
 * Ends servers so that no client loses a call. First nobody new is let in; whoever is connected is still answered, and
 * told with `Connection: close` to come no more; then connections without a request are closed; calls that outlast the
 * deadline, or whoever hurries it, are cut.
 */
import type { RequestListener } from "node:http";
import { Server as NetServer } from "node:net";
import type { Listening } from "./listen.ts";

export type Drain = {
  /** Wraps a server's listener: while it drains, each answer closes its connection. */
  watch(listener: RequestListener): RequestListener;
  isDraining(): boolean;
  /** Resolves when every connection is closed. `cutOff` is called at the deadline, to end what still runs in an orderly way. */
  end(listening: readonly Listening[], options: { deadlineMs: number; cutOff: () => Promise<void> }): Promise<void>;
  /** The deadline is now. */
  hurry(): void;
};

/** A busy client sends its next request within this time and reads `Connection: close`; an idle one has no call to lose. */
const idleGraceMs = 1_000;
const pollMs = 20;
/** For the last events of the calls that were cut to reach their clients. */
const farewellMs = 2_000;

export function createDrain(): Drain {
  let isDraining = false;
  let isHurried = false;
  return {
    watch: (listener) => (req, res) => {
      if (isDraining) res.shouldKeepAlive = false;
      listener(req, res);
    },
    isDraining: () => isDraining,
    hurry: () => void (isHurried = true),
    end: async (listening, { deadlineMs, cutOff }) => {
      isDraining = true;
      const startedAtMs = Date.now();
      const open = new Set(listening);
      const closed = Promise.all(listening.map((each) => stopAccepting(each).then(() => open.delete(each))));
      const waitWhile = async (mayWait: () => boolean) => {
        while (open.size > 0 && mayWait()) {
          if (Date.now() - startedAtMs >= Math.min(idleGraceMs, deadlineMs))
            for (const each of open) each.connections.closeIdle();
          await new Promise((resolve) => setTimeout(resolve, pollMs));
        }
      };
      await waitWhile(() => !isHurried && Date.now() < startedAtMs + deadlineMs);
      if (open.size === 0) return;
      await cutOff();
      const farewellAtMs = Date.now();
      await waitWhile(() => Date.now() < farewellAtMs + farewellMs);
      for (const each of open) each.connections.closeAll();
      await closed;
    },
  };
}

/**
 * Resolves when all connections are closed. `http.Server.close` would also close idle connections at once, and with them the
 * request that is on its way on one.
 */
async function stopAccepting({ server, more }: Listening): Promise<void> {
  const close = (each: NetServer) =>
    new Promise<void>((resolve) => {
      NetServer.prototype.close.call(each, () => resolve());
    });
  await Promise.all([server, ...more].map(close));
}
