/**
 * The one way to a password's hash. Argon2id takes 19 MiB and a core (https://cheatsheetseries.owasp.org, Password
 * Storage), so that two are made at a time and no more than a number wait; whoever comes then is told so at once. Nobody
 * fills the queue alone: an account and an address each have a share of it, and those who are known to their account wait
 * in a line of their own that strangers cannot fill.
 */
import { randomBytes } from "node:crypto";
import { hash, verify } from "@node-rs/argon2";
import { AppError } from "../app-error.ts";

export type PasswordGate = {
  /**
   * Runs `work`, which may hash. @throws AppError `too_many_attempts` where this account or this network has its share of
   * attempts under way, `busy` where too many of others wait
   */
  admit<Result>(who: { account: string; network: string }, work: (hasher: Hasher) => Promise<Result>): Promise<Result>;
};

/** `isKnown`: who asks is signed in, or has been before from where they are. */
export type Hasher = {
  hash(password: string, who: { isKnown: boolean }): Promise<string>;
  /** Takes as long where there is no hash to compare with (`storedHash` null) as where there is one. */
  isPasswordOf(storedHash: string | null, password: string, who: { isKnown: boolean }): Promise<boolean>;
};

const options = { memoryCost: 19 * 1_024, timeCost: 2, parallelism: 1 };
const maxRunning = 2;
/** In each of the two lines. */
const maxWaiting = 32;
/** Under way in all: hashing, waiting, or still asking the database who they are. */
const maxAdmitted = 256;
const maxPerAccount = 2;
const maxPerNetwork = 4;
const defaultMaxWaitMs = 3_000;

export function createPasswordGate({ maxWaitMs = defaultMaxWaitMs } = {}): PasswordGate {
  const shares = createShares();
  const inTurn = createTurns(maxWaitMs);
  const nobodysHash = createNobodysHash();
  const hasher: Hasher = {
    hash: (password, { isKnown }) => inTurn(isKnown, () => hash(password, options)),
    isPasswordOf: async (storedHash, password, { isKnown }) =>
      (await inTurn(isKnown, () => verify(storedHash ?? nobodysHash, password))) && storedHash !== null,
  };
  return {
    admit: async ({ account, network }, work) => {
      const leave = shares.enter(account, network);
      try {
        return await work(hasher);
      } finally {
        leave();
      }
    },
  };
}

const isBusy = () =>
  new AppError("busy", "Too many people are logging in at this moment. Try again in a few seconds.", null, 3);

/** Counts who is under way. */
function createShares() {
  const counts = new Map<string, number>();
  let admitted = 0;
  const enter = (account: string, network: string): (() => void) => {
    const taken = [`account ${account}`, `network ${network}`] as const;
    const [ofAccount, ofNetwork] = taken.map((share) => counts.get(share) ?? 0) as [number, number];
    if (ofAccount >= maxPerAccount || ofNetwork >= maxPerNetwork) {
      throw new AppError("too_many_attempts", "Too many attempts at once. Try again in a moment.", null, 1);
    }
    if (admitted >= maxAdmitted) throw isBusy();
    admitted++;
    for (const share of taken) counts.set(share, (counts.get(share) ?? 0) + 1);
    return () => {
      admitted--;
      for (const share of taken) {
        const left = (counts.get(share) ?? 1) - 1;
        if (left > 0) counts.set(share, left);
        else counts.delete(share);
      }
    };
  };
  return { enter };
}

/** Two at a time; of those who wait, the known ones first, each line in the order in which they came. */
function createTurns(maxWaitMs: number) {
  let running = 0;
  const known: (() => void)[] = [];
  const strangers: (() => void)[] = [];

  function wait(line: (() => void)[]): Promise<void> {
    if (line.length >= maxWaiting) throw isBusy();
    return new Promise((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        line.splice(line.indexOf(begin), 1);
        reject(isBusy());
      }, maxWaitMs);
      line.push(begin);
    });
  }

  return async <Result>(isKnown: boolean, work: () => Promise<Result>): Promise<Result> => {
    if (running < maxRunning) running++;
    else await wait(isKnown ? known : strangers);
    try {
      return await work();
    } finally {
      // Whoever is next takes over the place of the one who goes.
      const next = known.shift() ?? strangers.shift();
      if (next) next();
      else running--;
    }
  };
}

/** A hash of no password, which takes as long to compare with as any other. */
function createNobodysHash(): string {
  const { memoryCost, timeCost, parallelism } = options;
  const [salt, digest] = [16, 32].map((bytes) => randomBytes(bytes).toString("base64").replace(/=+$/, ""));
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${salt}$${digest}`;
}
