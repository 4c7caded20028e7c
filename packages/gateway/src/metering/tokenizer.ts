/**
 * Counts tokens on a thread of its own, one text after another. It promises an answer, not a count: where the thread is
 * busy, slow or dead it is null at once, and whoever asked divides bytes by four.
 */
import { Worker } from "node:worker_threads";

type TokenJob =
  | { text: string }
  /** A JSON object, of which the strings below `members` are counted. */
  | { json: Uint8Array; members: readonly string[] }
  /** The body of a request, without the data of pictures and files. */
  | { request: Uint8Array };

export type Tokenizer = {
  /** Never rejects. Null: not counted. */
  count(job: TokenJob): Promise<number | null>;
  close(): Promise<void>;
};

/** Of what waits for the thread. */
const maxWaiting = 1_024;
const maxWaitingBytes = 64 * 1024 * 1024;
/** The thread is given up where it does not get on for so long; its beginning takes a part of that. */
const defaultPatienceMs = 10_000;
/** A thread that died is not replaced before. */
const restartAfterMs = 1_000;

type Waiting = { bytes: number; resolve: (tokens: number | null) => void };
type Reply = { id: number; tokens: number | null };

export type TokenizerOptions = { patienceMs?: number; maxWaitingBytes?: number; workerUrl?: URL };

export function createTokenizer(options: TokenizerOptions = {}): Tokenizer {
  const { patienceMs = defaultPatienceMs, maxWaitingBytes: maxBytes = maxWaitingBytes } = options;
  const workerUrl = options.workerUrl ?? new URL("./tokenizer-worker.js", import.meta.url);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let patience: NodeJS.Timeout | undefined;
  let startedAtMs = -Infinity;
  let waitingBytes = 0;
  let lastId = 0;
  let isClosed = false;

  function answer({ id, tokens }: Reply): void {
    const job = waiting.get(id);
    if (!job) return;
    waiting.delete(id);
    waitingBytes -= job.bytes;
    job.resolve(tokens);
    watch();
  }

  /** Nobody waits for a thread that is gone. */
  function giveUp(gone: Worker): void {
    if (worker !== gone) return;
    worker = null;
    clearTimeout(patience);
    for (const id of waiting.keys()) answer({ id, tokens: null });
    // It has ended, or is being ended; how does not matter to anybody.
    gone.terminate().catch(() => undefined);
  }

  function watch(): void {
    clearTimeout(patience);
    const watched = worker;
    if (waiting.size === 0 || watched === null) return;
    patience = setTimeout(() => giveUp(watched), patienceMs).unref();
  }

  function start(): Worker | null {
    if (isClosed || performance.now() - startedAtMs < restartAfterMs) return null;
    startedAtMs = performance.now();
    const started = new Worker(workerUrl, {
      execArgv: [],
      env: {},
      // A text that needs more ends the thread, not the process.
      resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 32 },
    });
    started.unref();
    started.on("message", answer);
    started.on("messageerror", () => giveUp(started));
    started.on("error", () => giveUp(started));
    started.on("exit", () => giveUp(started));
    return started;
  }

  return {
    count: (job) => {
      const bytes = "text" in job ? 2 * job.text.length : bytesOf(job).length;
      if (waiting.size >= maxWaiting || waitingBytes + bytes > maxBytes) return Promise.resolve(null);
      worker ??= start();
      const target = worker;
      if (target === null) return Promise.resolve(null);
      return new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, { bytes, resolve });
        waitingBytes += bytes;
        if (waiting.size === 1) watch();
        post(target, id, job);
      });
    },
    close: async () => {
      isClosed = true;
      const open = worker;
      if (open === null) return;
      giveUp(open);
      await open.terminate();
    },
  };
}

/** Bytes go over as a copy of their own: those that came with them in one piece of memory stay here. */
function post(worker: Worker, id: number, job: TokenJob): void {
  if ("text" in job) worker.postMessage({ id, text: job.text });
  else {
    const json = new Uint8Array(bytesOf(job));
    worker.postMessage({ id, json, members: "json" in job ? job.members : null }, [json.buffer]);
  }
}

const bytesOf = (job: Exclude<TokenJob, { text: string }>): Uint8Array => ("json" in job ? job.json : job.request);
