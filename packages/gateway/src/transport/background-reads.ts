/**
 * Streams that are read on although their clients have left: a model that reasons says only at its end what it has used.
 * Each is read for a while, and so many at once; of what is read nothing is kept but its counts.
 */

export type BackgroundReadLimits = {
  inAll: number;
  perUser: number;
  /** From the moment on when the client left. */
  readMs: number;
};

export const backgroundReadLimits: BackgroundReadLimits = { inAll: 256, perUser: 32, readMs: 10 * 60_000 };

export type BackgroundReads = {
  /** Calls `stop` when the time is over; returns what is to be called at the end. Null where there are too many. */
  open(userId: string, stop: () => void): (() => void) | null;
};

export function createBackgroundReads({ inAll, perUser, readMs }: BackgroundReadLimits): BackgroundReads {
  const users = new Map<string, number>();
  let running = 0;
  return {
    open: (userId, stop) => {
      const own = users.get(userId) ?? 0;
      if (running >= inAll || own >= perUser) return null;
      running++;
      users.set(userId, own + 1);
      const timer = setTimeout(stop, readMs).unref();
      return () => {
        clearTimeout(timer);
        running--;
        const left = (users.get(userId) ?? 1) - 1;
        if (left > 0) users.set(userId, left);
        else users.delete(userId);
      };
    },
  };
}
