/**
 * Shares the event loop among work that is too long for one turn of it: one slice per turn, users in rotation, so that
 * neither a body nor a user with a hundred of them keeps the others waiting for more than a slice.
 */
/** A scan of so many bytes takes some milliseconds at most, whatever they are. */
export const sliceBytes = 256 * 1024;

export type Turns = {
  /** Resolves when the party may do its next slice. */
  next(party: string): Promise<void>;
};

export function createTurns(): Turns {
  const waiting = new Map<string, (() => void)[]>();

  function giveTurn(): void {
    const [next] = waiting;
    if (!next) return;
    const [party, queue] = next;
    const resume = queue.shift();
    // Behind all others, if it wants to come again.
    waiting.delete(party);
    if (queue.length > 0) waiting.set(party, queue);
    if (waiting.size > 0) setImmediate(giveTurn);
    resume?.();
  }

  return {
    next: (party) =>
      new Promise((resolve) => {
        const queue = waiting.get(party);
        if (queue) {
          queue.push(resolve);
          return;
        }
        if (waiting.size === 0) setImmediate(giveTurn);
        waiting.set(party, [resolve]);
      }),
  };
}
