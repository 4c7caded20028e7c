/**
 * Keeps to a user's number of free calls a minute. They hold no money that would bound them, and go out under the operator's
 * key all the same. Counted in this process alone: several of them let several times as many through.
 */

export type FreeCallLimit = {
  /** Takes one: 0, or the milliseconds after which there is one to take. */
  take(userId: string, nowMs: number): number;
};

type Bucket = { calls: number; atMs: number };

/** Above this those are forgotten that are full again anyway. */
const maxBuckets = 10_000;
const minuteMs = 60_000;

export function createFreeCallLimit(perMinute: number): FreeCallLimit {
  const buckets = new Map<string, Bucket>();
  const msPerCall = minuteMs / perMinute;

  function forgetFull(nowMs: number): void {
    for (const [userId, { calls, atMs }] of buckets) {
      if (calls + (nowMs - atMs) / msPerCall >= perMinute) buckets.delete(userId);
    }
  }

  return {
    take: (userId, nowMs) => {
      let bucket = buckets.get(userId);
      if (!bucket) {
        if (buckets.size >= maxBuckets) forgetFull(nowMs);
        buckets.set(userId, (bucket = { calls: perMinute, atMs: nowMs }));
      }
      // A clock that was set back gives nothing, and takes nothing.
      const refilled = bucket.calls + Math.max(0, nowMs - bucket.atMs) / msPerCall;
      bucket.calls = Math.min(perMinute, refilled);
      bucket.atMs = nowMs;
      if (bucket.calls < 1) return Math.ceil((1 - bucket.calls) * msPerCall);
      bucket.calls--;
      return 0;
    },
  };
}
