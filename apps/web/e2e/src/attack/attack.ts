/** An attack: something that a stranger, a user, a key, an admin or the database's other clients can do to everybody else. */

/** Whom an attack logs in and calls as; each attack has a user of its own, so that no budget of one shields from another. */
export type AttackingUser = {
  userId: string;
  email: string;
  password: string;
  apiKey: string;
  /** Of a browser's session. */
  cookie: string;
};

export type Target = {
  /** The pages' port, without a slash at the end. */
  web: string;
  /** The API's port; ends in /v1. */
  api: string;
  databaseUrl: string;
  /** Whose log-ins strangers try to stop. */
  victimEmail: string;
  /** The session of an admin who is in a hurry. */
  adminCookie: string;
  users: Readonly<Record<string, AttackingUser>>;
};

export type Round = {
  seconds: number;
  /** Aborts when the round is over: what is still open is then given up. */
  signal: AbortSignal;
  /** Counts what came of one try. */
  note: (outcome: string) => void;
};

export type Attack = {
  name: string;
  run: (target: Target, user: AttackingUser, round: Round) => Promise<void>;
};

/** Waits, but never beyond the end of the round. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    if (signal.aborted) finish();
    else signal.addEventListener("abort", finish, { once: true });
  });
}

export type Pace = {
  everyMs: number;
  /** What nobody answers is not heaped up here. */
  atOnce: number;
  /** So many are begun together each time. */
  burst?: number;
};

/** Starts `work` at this pace until the round is over, and notes what came of each. */
export async function repeat(
  round: Round,
  { everyMs, atOnce, burst = 1 }: Pace,
  work: (turn: number) => Promise<string>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let turn = 0;
  while (!round.signal.aborted) {
    for (let n = 0; n < burst && running.size < atOnce; n++) {
      const one = work(turn++)
        .then(round.note, (error: unknown) => round.note(outcomeOf(error)))
        .finally(() => running.delete(one));
      running.add(one);
    }
    await pause(everyMs, round.signal);
  }
  await Promise.all(running);
}

/** The `turn`th of them, beginning again behind the last. @throws RangeError where there is none */
export function nth<Item>(items: readonly Item[], turn: number): Item {
  const item = items[turn % items.length];
  if (item === undefined) throw new RangeError("There is nothing to choose from.");
  return item;
}

/** How a failed try is counted: by its code, for a message may carry a port. */
export const outcomeOf = (error: unknown): string => (error as { code?: string }).code ?? (error as Error).name;
