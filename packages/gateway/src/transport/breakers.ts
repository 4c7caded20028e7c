/**
 * Keeps calls away from an upstream that fails. A whole upstream is closed where no connection comes about, or where it
 * refuses its key; for everything else it is the pair of upstream and model that counts.
 *
 * What one user's calls run into is never held against another: a body can make an upstream fail, a prompt can make it
 * time out, and a name can be no model's. So a pair is closed for a user after that user's own failures, and for all only
 * where several users have failed and nobody has had an answer in between. Behind a pause one call probes at a time, and
 * a user whose probe has failed cannot prolong the pause of the others a second time (decision 025).
 */

/** What a call has shown of its upstream. */
export type CallOutcome =
  | { kind: "answered" }
  /** The upstream is there, and its key is good; the model has said nothing. */
  | { kind: "reached" }
  | { kind: "unreachable"; status: null }
  | { kind: "key_refused"; status: number }
  | { kind: "failed"; status: number | null };

type Closed = { status: number | null; failedAtMs: number };

/** One call, as the breakers see it; `upstream` names the upstream and its key. */
type Tried = { upstream: string; model: string; userId: string; nowMs: number };

export type Breakers = {
  /** Whether the call may be sent. One that may is a probe where a pause is just over, so it must be sent. */
  admits(call: Tried): boolean;
  note(call: Tried, outcome: CallOutcome): void;
  /** Since when, and why, no call or hardly one goes through; null: nothing is known of that. */
  closedOf(upstream: string): (Closed & { isKeyRefused: boolean }) | null;
};

/** So many failures in a row, each within `forgetMs` of the last, close for `pauseMs`. */
const failuresToClose = 5;
const usersToClose = 3;
const pauseMs = 10_000;
const forgetMs = 60_000;
/** Names of models are what clients write: what is oldest is forgotten. */
const maxPairs = 1_000;
const maxUsersPerPair = 64;
const maxUpstreams = 1_000;

type OneUser = {
  failures: number;
  /** For this user alone; 0: never. */
  closedUntilMs: number;
  /** Has had a probe since the breaker was closed for all. */
  hasProbed: boolean;
};
type Breaker = {
  failures: number;
  status: number | null;
  failedAtMs: number;
  /** For all; 0: it was never closed. */
  closedUntilMs: number;
  /** Of the probe that keeps the others waiting, until then at most. */
  probe: { userId: string; untilMs: number } | null;
  isKeyRefused: boolean;
  users: Map<string, OneUser>;
};

export function createBreakers(): Breakers {
  const upstreams = new Map<string, Breaker>();
  const pairs = new Map<string, Map<string, Breaker>>();
  let pairCount = 0;

  const pairOf = ({ upstream, model }: Tried) => pairs.get(upstream)?.get(model);

  function openPair({ upstream, model }: Tried): Breaker {
    const known = pairs.get(upstream)?.get(model);
    if (known) return known;
    if (pairCount >= maxPairs) forgetOldestPair();
    pairCount++;
    const breaker = newBreaker();
    const models = pairs.get(upstream) ?? new Map<string, Breaker>();
    pairs.set(upstream, models.set(model, breaker));
    return breaker;
  }

  function forgetOldestPair(): void {
    const [oldest] = pairs;
    const [model] = oldest?.[1].keys() ?? [];
    if (oldest && model !== undefined) forgetPair(oldest[0], model);
  }

  function forgetPair(upstream: string, model: string): void {
    const models = pairs.get(upstream);
    if (!models?.delete(model)) return;
    pairCount--;
    if (models.size === 0) pairs.delete(upstream);
  }

  function noteUpstream(call: Tried, outcome: CallOutcome): void {
    if (outcome.kind !== "unreachable" && outcome.kind !== "key_refused") {
      // A connection came about, so it is there; that its key is good takes an answer.
      const isStillRefused = outcome.kind === "failed" && upstreams.get(call.upstream)?.isKeyRefused;
      if (upstreams.size > 0 && !isStillRefused) upstreams.delete(call.upstream);
      return;
    }
    let breaker = upstreams.get(call.upstream);
    if (!breaker) {
      breaker = newBreaker();
      upstreams.set(call.upstream, breaker);
      forgetFirst(upstreams, maxUpstreams);
    }
    breaker.isKeyRefused = outcome.kind === "key_refused";
    fail(breaker, call, outcome.status);
    // What a call says has no part in whether a connection comes about: one user's calls show it as well as many.
    if (breaker.isKeyRefused || breaker.failures >= failuresToClose) closeForAll(breaker, call);
  }

  function notePair(call: Tried, outcome: CallOutcome): void {
    if (outcome.kind === "answered" && pairCount > 0) forgetPair(call.upstream, call.model);
    if (outcome.kind !== "failed") return;
    const breaker = openPair(call);
    const user = fail(breaker, call, outcome.status);
    if (user.failures >= failuresToClose || user.hasProbed) user.closedUntilMs = call.nowMs + pauseMs;
    if (breaker.failures >= failuresToClose && breaker.users.size >= usersToClose) closeForAll(breaker, call);
  }

  return {
    admits: (call) => {
      if (upstreams.size === 0 && pairCount === 0) return true;
      const upstream = upstreams.get(call.upstream);
      const pair = pairOf(call);
      const { nowMs, userId } = call;
      if (isPaused(upstream, userId, nowMs) || isPaused(pair, userId, nowMs)) return false;
      for (const breaker of [upstream, pair]) if (breaker) markProbe(breaker, userId, nowMs);
      return true;
    },
    note: (call, outcome) => {
      noteUpstream(call, outcome);
      notePair(call, outcome);
    },
    closedOf: (name) => {
      const upstream = upstreams.get(name);
      if (upstream && upstream.closedUntilMs > 0) return closedOf(upstream);
      for (const pair of pairs.get(name)?.values() ?? []) if (pair.failures >= failuresToClose) return closedOf(pair);
      return null;
    },
  };
}

const newBreaker = (): Breaker => ({
  failures: 0,
  status: null,
  failedAtMs: 0,
  closedUntilMs: 0,
  probe: null,
  isKeyRefused: false,
  users: new Map(),
});

const closedOf = ({ status, failedAtMs, isKeyRefused }: Breaker) => ({ status, failedAtMs, isKeyRefused });

function fail(breaker: Breaker, { userId, nowMs }: Tried, status: number | null): OneUser {
  const isForgotten = breaker.closedUntilMs === 0 && nowMs - breaker.failedAtMs > forgetMs;
  if (isForgotten) {
    breaker.failures = 0;
    breaker.users.clear();
  }
  breaker.failures++;
  breaker.status = status;
  breaker.failedAtMs = nowMs;
  let user = breaker.users.get(userId);
  if (!user) {
    user = newUser();
    breaker.users.set(userId, user);
    forgetFirst(breaker.users, maxUsersPerPair);
  }
  user.failures++;
  return user;
}

/** A pause begins, or goes on because the probe behind it has failed; later failures of the same user are its own. */
function closeForAll(breaker: Breaker, { userId, nowMs }: Tried): void {
  const isProbe = breaker.probe?.userId === userId;
  if (breaker.closedUntilMs > 0 && !isProbe) return;
  breaker.closedUntilMs = nowMs + pauseMs;
  breaker.probe = null;
}

function isPaused(breaker: Breaker | undefined, userId: string, nowMs: number): boolean {
  if (!breaker) return false;
  const user = breaker.users.get(userId);
  if (user && nowMs < user.closedUntilMs) return true;
  if (nowMs < breaker.closedUntilMs) return true;
  return !user?.hasProbed && breaker.probe !== null && nowMs < breaker.probe.untilMs;
}

/** The next probe of this user comes a pause later, and the first one of anybody's goes alone. */
function markProbe(breaker: Breaker, userId: string, nowMs: number): void {
  const isClosedForAll = breaker.closedUntilMs > 0;
  let user = breaker.users.get(userId);
  if (!isClosedForAll && (!user || user.closedUntilMs === 0)) return;
  if (!user) {
    user = newUser();
    breaker.users.set(userId, user);
    forgetFirst(breaker.users, maxUsersPerPair);
  }
  user.closedUntilMs = nowMs + pauseMs;
  if (!isClosedForAll || user.hasProbed) return;
  user.hasProbed = true;
  breaker.probe = { userId, untilMs: nowMs + pauseMs };
}

const newUser = (): OneUser => ({ failures: 0, closedUntilMs: 0, hasProbed: false });

function forgetFirst<Value>(from: Map<string, Value>, most: number): void {
  if (from.size <= most) return;
  const [first] = from.keys();
  if (first !== undefined) from.delete(first);
}
