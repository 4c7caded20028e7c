/**
 * Calls that their clients named with an `Idempotency-Key`: the same call sent again gets the answer of the first one,
 * and is charged once. Nothing of this runs for a call without that header.
 */
import { createHash } from "node:crypto";
import { BodyError } from "./transport/body-error.ts";
import type { GatewayAnswer } from "./call.ts";
import { errorAnswer } from "./errors.ts";
import type { Caller, Ports } from "./ports.ts";
import type { WhoseTurn } from "./metering/scan-answer.ts";
import type { Turns } from "./metering/turns.ts";

/** A whole answer above this is not kept; the same call is then refused instead of answered again. */
const maxKeptBytes = 4 * 1024 * 1024;
const hashedAtOnceBytes = 1024 * 1024;
const allowedKey = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** A call that was the first of its name. */
export type NamedCall = {
  /** To be called before the answer is charged. Failing to keep it fails nothing else. */
  keepAnswer(answer: { status: number; headers: Record<string, string>; body: Uint8Array }): Promise<void>;
  /** Frees the name of a call for which nothing was held. */
  giveUp(): Promise<void>;
};

type CallToName = {
  /** The header's value, as it came. */
  key: string | string[];
  path: string;
  id: string;
  caller: Caller;
  body: Uint8Array;
  turns: Turns;
};

/** @throws BodyError where the name is none */
export async function claimName(
  ports: Ports,
  { key, path, id, caller, body, turns }: CallToName,
): Promise<NamedCall | { answer: GatewayAnswer }> {
  if (typeof key !== "string" || !allowedKey.test(key)) {
    throw new BodyError("Idempotency-Key must have 1 to 255 printable ASCII characters.", "Idempotency-Key");
  }
  const bodyDigest = await digestOf(path, body, { turns, party: caller.userId });
  const name = { apiKeyId: caller.apiKeyId, key, holdId: id };
  const claim = await ports.idempotency.claim({ ...name, bodyDigest });
  switch (claim.outcome) {
    case "claimed":
      return namedCall(ports, name);
    case "answered":
      return { answer: replayOf(claim) };
    case "spent": {
      const message = `${spentBecause[claim.why]} It was request ${claim.holdId}; use another Idempotency-Key.`;
      return { answer: errorAnswer("idempotency_key_spent", id, { message }) };
    }
    case "running":
      return { answer: errorAnswer("idempotency_key_in_use", id, { retryAfterMs: inUseRetryMs }) };
    default:
      return { answer: errorAnswer("idempotency_key_reused", id) };
  }
}

/** A large body is hashed in turns, as it was scanned. */
async function digestOf(path: string, body: Uint8Array, { turns, party }: WhoseTurn): Promise<Uint8Array> {
  const hash = createHash("sha256").update(path).update("\n");
  if (body.length <= hashedAtOnceBytes) return hash.update(body).digest();
  for (let at = 0; at < body.length; at += hashedAtOnceBytes) {
    await turns.next(party);
    hash.update(body.subarray(at, at + hashedAtOnceBytes));
  }
  return hash.digest();
}

function namedCall({ idempotency, log }: Ports, name: { apiKeyId: string; key: string; holdId: string }): NamedCall {
  const logged = (error: unknown) =>
    log("warn", "idempotency_failed", { requestId: name.holdId, error: (error as Error).message });
  return {
    keepAnswer: async ({ status, headers, body }) => {
      if (body.length > maxKeptBytes) return;
      const contentType = headers["content-type"] ?? "application/json";
      await idempotency.keep({ ...name, status, contentType, body }).catch(logged);
    },
    giveUp: () => idempotency.giveUp(name).catch(logged),
  };
}

/** Under the request id of the first call, which its charge has. */
const replayOf = (kept: { holdId: string; status: number; contentType: string; body: Uint8Array }): GatewayAnswer => ({
  status: kept.status,
  headers: {
    "content-type": kept.contentType,
    "x-request-id": kept.holdId,
    "idempotent-replayed": "true",
  },
  body: kept.body,
});

const inUseRetryMs = 1_000;

const spentBecause = {
  died: "The gateway stopped while the call with this Idempotency-Key was under way, and charged what had been seen of it.",
  streamed: "The call with this Idempotency-Key was charged; it was streamed, and streams are not kept.",
  not_kept: "The call with this Idempotency-Key was charged, and its answer could not be kept.",
};
