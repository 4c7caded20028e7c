/**
 * The body of an upstream's answer: fed by the client's parser, read either whole or chunk by chunk. A reader that does
 * not keep up stops the socket; a body that nobody wants any more closes it.
 */
import type { Dispatcher } from "undici";

export type UpstreamBody = AsyncIterable<Uint8Array> & {
  /** All of it. @throws Error where it breaks off, or has more than `maxBytes` */
  readAll(maxBytes: number): Promise<Uint8Array>;
  /** Closes the connection unless everything has been read. */
  destroy(): void;
};

export type FedBody = {
  body: UpstreamBody;
  push(chunk: Uint8Array): void;
  end(): void;
  fail(error: Error): void;
};

/** So much may lie here unread before the socket is stopped. */
const maxUnreadBytes = 64 * 1024;

export function createUpstreamBody(controller: Dispatcher.DispatchController): FedBody {
  let unread: Uint8Array[] = [];
  let unreadBytes = 0;
  let isWhole = false;
  let fault: Error | null = null;
  let isEnded = false;
  let wake: (() => void) | null = null;

  function notify(): void {
    const waiting = wake;
    wake = null;
    waiting?.();
  }

  const more = (resolve: () => void) => {
    wake = resolve;
  };

  async function* chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (;;) {
        while (unread.length === 0 && !isEnded) await new Promise<void>(more);
        const taken = unread;
        unread = [];
        unreadBytes = 0;
        if (controller.paused) controller.resume();
        yield* taken;
        if (unread.length === 0 && isEnded) {
          if (fault) throw fault;
          return;
        }
      }
    } finally {
      destroy();
    }
  }

  function destroy(): void {
    if (!isEnded && !controller.aborted) controller.abort(new Error("The answer is not read any further."));
  }

  return {
    body: {
      [Symbol.asyncIterator]: chunks,
      destroy,
      readAll: async (maxBytes) => {
        isWhole = true;
        if (controller.paused) controller.resume();
        while (!isEnded && unreadBytes <= maxBytes) await new Promise<void>(more);
        if (unreadBytes > maxBytes) {
          destroy();
          throw new Error(`The answer has more than ${maxBytes} bytes.`);
        }
        if (fault) throw fault;
        return unread.length === 1 && unread[0] ? unread[0] : Buffer.concat(unread, unreadBytes);
      },
    },
    push: (chunk) => {
      unread.push(chunk);
      unreadBytes += chunk.length;
      if (!isWhole) {
        if (unreadBytes > maxUnreadBytes) controller.pause();
        notify();
      } else if (unreadBytes > maxUnreadBytes) notify();
    },
    end: () => {
      isEnded = true;
      notify();
    },
    fail: (error) => {
      fault = error;
      isEnded = true;
      notify();
    },
  };
}
