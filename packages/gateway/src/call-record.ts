/** What became of one call and when, for metrics and traces. Filled in as the call goes on, handed out once it is over. */
import type { Attempt, Hold } from "./ports.ts";

/** Times are milliseconds since the epoch, with fractions; null where the call did not come so far. */
export type CallRecord = {
  requestId: string;
  /** As in `endpoints` or `reads`; null: no such address. */
  endpoint: string | null;
  hold: Hold | null;
  attempts: readonly Attempt[];
  isStream: boolean;
  /** 499: the client left before it was answered. */
  status: number;
  /** Why the gateway itself refused or gave up; null: it did not. */
  errorCode: string | null;
  /** The W3C trace context that the client sent. */
  traceparent: string | null;
  receivedAtMs: number;
  heldAtMs: number | null;
  dispatchedAtMs: number | null;
  /** The head of the upstream's answer was there. */
  answeredAtMs: number | null;
  /** The first event of a stream was there. */
  firstEventAtMs: number | null;
  /** The last byte of the upstream's answer was there, and the settlement began. */
  settlingAtMs: number | null;
  endedAtMs: number;
};

const { timeOrigin } = performance;
export const clockMs = (): number => timeOrigin + performance.now();

export function openRecord(requestId: string, traceparent: string | string[] | undefined): CallRecord {
  const receivedAtMs = clockMs();
  return {
    requestId,
    endpoint: null,
    hold: null,
    attempts: [],
    isStream: false,
    status: 0,
    errorCode: null,
    traceparent: typeof traceparent === "string" ? traceparent : null,
    receivedAtMs,
    heldAtMs: null,
    dispatchedAtMs: null,
    answeredAtMs: null,
    firstEventAtMs: null,
    settlingAtMs: null,
    endedAtMs: receivedAtMs,
  };
}

/**
 * What the gateway itself took of the time that the client waited: up to the dispatch and, for a whole answer, from the
 * upstream's last byte on. Null where the upstream was not asked, or gave no answer.
 */
export function addedMsOf(record: CallRecord): number | null {
  const { receivedAtMs, dispatchedAtMs, answeredAtMs, settlingAtMs, endedAtMs, isStream } = record;
  if (dispatchedAtMs === null || answeredAtMs === null) return null;
  const before = dispatchedAtMs - receivedAtMs;
  return isStream || settlingAtMs === null ? before : before + (endedAtMs - settlingAtMs);
}
