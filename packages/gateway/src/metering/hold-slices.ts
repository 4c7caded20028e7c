/**
 * Keeps what is held for a stream ahead of what comes of it. Events are weighed by their bytes; from half of what is held on
 * their tokens are counted, and more is held for, beside the stream. It waits only where more has come than is held for,
 * and ends where nothing more can be held.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Hold, Ports, Refusal } from "../ports.ts";
import type { SseEvent } from "../transport/sse.ts";
import { createEventScale } from "./event-scale.ts";
import { StreamEndedError } from "../transport/stream-end.ts";

export type HoldSlices = {
  /** Weighs an event; a promise where the stream must not go on before. @throws StreamEndedError by the promise */
  note(event: Pick<SseEvent, "raw" | "data">): Promise<void> | null;
  /** To be called now and then: what a silent model writes is not seen. @throws StreamEndedError where it is to end */
  tick(): Promise<void> | null;
  /** So much output is held for now. */
  heldTokens(): number;
};

type Parts = {
  ports: Pick<Ports, "extendHold" | "now" | "log">;
  hold: Hold;
  /** Tokens that came so far, as a tokenizer counts them. */
  countTokens: () => Promise<number>;
  startedAtMs: number;
};

/** A model that reasons is taken to write so much while nobody sees it. */
const unseenTokensPerSecond = 100;
/** A hold is doubled with each slice, up to so much more at once. */
const maxSliceTokens = 16_384;
/** Between two looks at a stream, at least. */
const minTokensBetween = 64;
/**
 * Where all that may come is held for, a cap that the provider knows ends the answer itself: other tokenizers count a little
 * more or less, and what events weigh is at least about twice what they say, so that nothing is counted before.
 */
const capTolerance = { share: 1.5, tokens: 64, weight: 2 };
/** While the ledger does not answer, a stream that has used up its hold waits so long. */
const patienceMs = 30_000;
const retryMs = 500;

export function createHoldSlices({ ports, hold, countTokens, startedAtMs }: Parts): HoldSlices {
  let held = hold.heldOutputTokens;
  const isCapped = held >= hold.outputTokens;
  const limit = () => (isCapped ? held * capTolerance.share + capTolerance.tokens : held);
  const firstSlice = Math.max(hold.heldOutputTokens, minTokensBetween);
  const weigh = createEventScale();
  let weighed = 0;
  let counted = 0;
  /** What had been weighed when it was counted. */
  let countedAt = 0;
  let lookAt = firstLook();
  let looking: Promise<void> | null = null;
  let refusal: Refusal | null = null;

  /** All that can come is held for, unless more comes than can. */
  const isComplete = () => held >= hold.outputTokens && counted < limit();

  function firstLook(): number {
    return isCapped ? limit() * capTolerance.weight : held / 2;
  }

  async function usedTokens(): Promise<number> {
    const tokens = await countTokens();
    if (!hold.doesReason || held >= hold.outputTokens) return tokens;
    return Math.max(tokens, Math.floor(((ports.now() - startedAtMs) / 1_000) * unseenTokensPerSecond));
  }

  async function extend(): Promise<void> {
    const ahead = Math.max(held + Math.min(firstSlice, maxSliceTokens), counted + Math.min(counted, maxSliceTokens));
    const outputTokens = counted < hold.outputTokens ? Math.min(ahead, hold.outputTokens) : ahead;
    try {
      const extended = await ports.extendHold({ hold, outputTokens });
      held = extended.heldOutputTokens;
      refusal = extended.refusal;
    } catch (error) {
      ports.log("warn", "extend_failed", { requestId: hold.id, error: (error as Error).message });
    }
  }

  async function look(): Promise<void> {
    const at = weighed;
    counted = await usedTokens();
    countedAt = at;
    const isDue = counted * 2 >= held || counted >= limit();
    if (refusal === null && !isComplete() && isDue) await extend();
    const until = refusal === null && !isComplete() ? Math.max(held / 2, counted + held / 8) : limit();
    lookAt = countedAt + Math.max(until - counted, minTokensBetween);
  }

  function startLook(): Promise<void> {
    looking ??= look().finally(() => (looking = null));
    return looking;
  }

  async function untilHeld(): Promise<void> {
    const untilMs = ports.now() + patienceMs;
    for (;;) {
      // One that has begun may not have counted what has come since.
      if (looking) await looking;
      await startLook();
      if (counted < limit()) return;
      if (refusal !== null) throw new StreamEndedError(refusal);
      if (ports.now() >= untilMs) throw new StreamEndedError({ refused: "service_unavailable" });
      await sleep(retryMs);
    }
  }

  return {
    note: (event) => {
      weighed += weigh(event);
      if (weighed < lookAt) return null;
      const expected = counted + weighed - countedAt;
      if (expected >= limit()) return untilHeld();
      lookAt = countedAt + limit() - counted;
      startLook().catch((error: unknown) => {
        // The next event looks again.
        ports.log("warn", "extend_failed", { requestId: hold.id, error: (error as Error).message });
      });
      return null;
    },
    heldTokens: () => held,
    tick: () => {
      if (!hold.doesReason || held >= hold.outputTokens) return null;
      return startLook().then(() => {
        if (refusal !== null && counted >= limit()) throw new StreamEndedError(refusal);
      });
    },
  };
}
