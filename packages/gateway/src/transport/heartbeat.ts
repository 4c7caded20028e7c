/**
 * What a client hears while the upstream says nothing. A comment keeps proxies from closing the connection, but clients
 * that time out on silence, such as Codex, count events alone: on `/v1/responses` it is an event, of a type that OpenAI
 * itself sends and that clients skip.
 */
export type Heartbeat = {
  /** Notes what was sent last; a comment of the upstream's is no event. */
  note(nowMs: number, isEvent: boolean): void;
  /** To be sent now; null while nothing is due. */
  due(nowMs: number): Uint8Array | null;
  /** From now on nothing is due: the stream ends, or cannot be told apart into events. */
  stop(): void;
};

export const defaultHeartbeatMs = 15_000;

const comment = Buffer.from(": keep-alive\n\n");
const event = Buffer.from('event: keepalive\ndata: {"type":"keepalive"}\n\n');

/** `isEarly`: the client takes events before `response.created`, which the SDKs expect to come first. */
export function createHeartbeat(
  startedAtMs: number,
  { isResponses, isEarly, everyMs }: { isResponses: boolean; isEarly: boolean; everyMs: number },
): Heartbeat {
  let lastAtMs = startedAtMs;
  let takesEvents = isResponses && isEarly;
  return {
    note: (nowMs, isEvent) => {
      if (isEvent) takesEvents = isResponses;
      if (isEvent || !takesEvents) lastAtMs = nowMs;
    },
    due: (nowMs) => {
      if (nowMs - lastAtMs < everyMs) return null;
      lastAtMs = nowMs;
      return takesEvents ? event : comment;
    },
    stop: () => {
      lastAtMs = Infinity;
    },
  };
}
