/**
 * The way from the pages to their server. What a page asks for is asked for again until its answer comes or nobody waits
 * for it any more, so that a lost connection, or a proxy that answers in the server's place, never takes a page away.
 * What a form sends is sent once: whether it got there cannot be known.
 */

type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

export type Connection = {
  fetch: Fetch;
  /** True while something is asked for in vain. */
  isLost(): boolean;
  /** @returns how to stop listening */
  subscribe(listener: () => void): () => void;
};

/** The form was sent, and no answer of ours came. */
export class LostConnectionError extends Error {}

const pausesMs = [500, 1_000, 2_000, 3_000] as const;
const longestPauseMs = 3_000;

export function createConnection(
  inner: Fetch,
  target: Pick<EventTarget, "addEventListener" | "removeEventListener">,
): Connection {
  const listeners = new Set<() => void>();
  let waiting = 0;
  const wait = (by: 1 | -1) => {
    waiting += by;
    for (const listener of listeners) listener();
  };

  /** Until it may be tried again: a while, or as soon as the browser says that it is online. @throws what the signal was aborted with */
  function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void) => () => {
        clearTimeout(timer);
        target.removeEventListener("online", goOn);
        signal?.removeEventListener("abort", stop);
        act();
      };
      const goOn = finish(resolve);
      const stop = finish(() =>
        reject(signal?.reason instanceof Error ? signal.reason : new DOMException("Aborted", "AbortError")),
      );
      const timer = setTimeout(goOn, ms);
      target.addEventListener("online", goOn);
      signal?.addEventListener("abort", stop);
      if (signal?.aborted) stop();
    });
  }

  async function ask(request: Request): Promise<Response | null> {
    try {
      const response = await inner(request);
      return isOurs(response) ? response : null;
    } catch (error) {
      if (request.signal.aborted) throw error;
      return null;
    }
  }

  async function askUntilAnswered(request: Request): Promise<Response> {
    const first = await ask(request.clone());
    if (first) return first;
    wait(1);
    try {
      for (let tries = 0; ; tries++) {
        await pause(pausesMs[tries] ?? longestPauseMs, request.signal);
        const response = await ask(request.clone());
        if (response) return response;
      }
    } finally {
      wait(-1);
    }
  }

  return {
    fetch: async (input, init) => {
      const request = new Request(input, init);
      if (!isPageData(request)) return inner(request);
      if (request.method === "GET") return askUntilAnswered(request);
      const response = await ask(request);
      if (!response) throw new LostConnectionError("No answer came.");
      return response;
    },
    isLost: () => waiting > 0,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const isManifest = (pathname: string): boolean => pathname === "/__manifest";

function isPageData({ url }: Request): boolean {
  const { pathname } = new URL(url);
  return pathname.endsWith(".data") || isManifest(pathname);
}

/** A proxy's page, or a hotel's, is no answer of ours. */
function isOurs({ headers, status, url }: Response): boolean {
  if (headers.has("x-remix-response")) return true;
  return isManifest(new URL(url).pathname) && status < 500 && status !== 429;
}
