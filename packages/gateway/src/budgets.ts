/**
 * What a user, or an upstream, may take of this process: one table, and two counters that keep to it. Bytes are counted
 * where they are kept: a request's body from its first byte, or its declared length, until its call is over; a whole
 * answer from its first 64 KiB until its client has it.
 */
import { totalmem } from "node:os";

const mebibyte = 1024 * 1024;

/** The machine's memory, or the container's where it has less. */
const memoryBytes = (): number => {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
};

const shareOfMemory = (): number => Math.min(1_024 * mebibyte, Math.max(128 * mebibyte, memoryBytes() / 4));

export type Budgets = {
  /** Bodies of all calls under way; one user's, with all keys. */
  requestBytes: { perUser: number; inAll: number };
  /** Whole answers that are being gathered or sent. One may be larger, if it is the only one. */
  answerBytes: { perUser: number; perUpstream: number; inAll: number };
  callsPerUser: number;
  /** Calls that cost nothing, of one user with all keys. */
  freeCallsPerMinute: number;
};

export const defaultBudgets = (): Budgets => {
  const inAll = shareOfMemory();
  return {
    requestBytes: { perUser: 64 * mebibyte, inAll },
    answerBytes: { perUser: 64 * mebibyte, perUpstream: 128 * mebibyte, inAll: Math.min(inAll, 256 * mebibyte) },
    callsPerUser: 1_024,
    freeCallsPerMinute: 600,
  };
};

/** A share is asked for that would be more than a user's, or the process's, part. */
export class OverBudgetError extends Error {
  override readonly name = "OverBudgetError";
  constructor(
    readonly whose: "user" | "all",
    readonly what: "calls" | "bytes",
  ) {
    super(`Over the budget of ${what} (${whose}).`);
  }
}

type Taken = { calls: number; bytes: number };

/** What one call has taken of the budget of requests. */
export type RequestShare = {
  /** @throws OverBudgetError; nothing is taken then */
  take(bytes: number): void;
  /** Gives all of it back; the second time it does nothing. */
  release(): void;
};

export type RequestBudget = {
  /** @throws OverBudgetError where the user has too many calls under way */
  open(userId: string): RequestShare;
  /** Of all users. */
  takenBytes(): number;
};

export function createRequestBudget({ requestBytes, callsPerUser }: Budgets): RequestBudget {
  const users = new Map<string, Taken>();
  let bytesInAll = 0;

  return {
    open: (userId) => {
      let user = users.get(userId);
      if (!user) users.set(userId, (user = { calls: 0, bytes: 0 }));
      if (user.calls >= callsPerUser) throw new OverBudgetError("user", "calls");
      user.calls++;
      const { perUser, inAll } = requestBytes;
      const taken = user;
      let own = 0;
      let isOpen = true;
      return {
        take: (bytes) => {
          if (taken.bytes + bytes > perUser) throw new OverBudgetError("user", "bytes");
          if (bytesInAll + bytes > inAll) throw new OverBudgetError("all", "bytes");
          if (!isOpen) return;
          own += bytes;
          taken.bytes += bytes;
          bytesInAll += bytes;
        },
        release: () => {
          if (!isOpen) return;
          isOpen = false;
          taken.bytes -= own;
          bytesInAll -= own;
          if (--taken.calls === 0) users.delete(userId);
        },
      };
    },
    takenBytes: () => bytesInAll,
  };
}
