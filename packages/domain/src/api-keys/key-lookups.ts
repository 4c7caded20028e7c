/**
 * Asks the database whose secrets are, for all who wait with one question at a time: a stranger with a thousand made-up keys
 * is one more row of it, and nobody else's question waits behind theirs.
 */

export type KeyLookups<Row> = {
  /** Null: nobody's. One question for all who ask for the same secret. @throws what `read` threw */
  find(secret: string): Promise<Row | null>;
};

type Waiting<Row> = { resolve: (row: Row | null) => void; reject: (error: unknown) => void };

const maxBatch = 256;
const maxWaiting = 10_000;

/** `read` answers the rows of those secrets that are somebody's. */
export function createKeyLookups<Row>(read: (secrets: string[]) => Promise<Map<string, Row>>): KeyLookups<Row> {
  const waiting = new Map<string, Waiting<Row>[]>();
  let isReading = false;

  async function readAll(): Promise<void> {
    isReading = true;
    while (waiting.size > 0) await readSome();
    isReading = false;
  }

  async function readSome(): Promise<void> {
    const asked = [...waiting].slice(0, maxBatch);
    for (const [secret] of asked) waiting.delete(secret);
    try {
      const rows = await read(asked.map(([secret]) => secret));
      for (const [secret, those] of asked) for (const { resolve } of those) resolve(rows.get(secret) ?? null);
    } catch (error) {
      for (const [, those] of asked) for (const { reject } of those) reject(error);
    }
  }

  return {
    find: (secret) =>
      new Promise((resolve, reject) => {
        const those = waiting.get(secret);
        if (those) those.push({ resolve, reject });
        else if (waiting.size >= maxWaiting) reject(new Error("Too many keys are being looked up."));
        else waiting.set(secret, [{ resolve, reject }]);
        // Whoever asks in this turn is in the first question.
        if (!isReading && waiting.size > 0) {
          isReading = true;
          setImmediate(() => {
            // It fails nobody but those it reads for, and tells them.
            readAll().catch(() => undefined);
          });
        }
      }),
  };
}
