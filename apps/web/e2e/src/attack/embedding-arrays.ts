/** Embeddings of very many inputs, of very long ones, and of arrays of tokens. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi } from "./send.ts";

const everyMs = 1_000;
const atOnce = 2;
const inputs = 100_000;
const tokens = 500_000;
const longChars = 2_000_000;

export const embeddingArrays: Attack = {
  name: "embedding arrays",
  run: ({ api }, { apiKey }, round) => {
    const bodies = [
      Array<string>(inputs).fill("a"),
      Array<number>(tokens).fill(42),
      Array<number[]>(inputs).fill([1]),
      "word ".repeat(longChars / 5),
    ].map((input) => Buffer.from(JSON.stringify({ model: "text-embedding-3-small", input })));
    return repeat(round, { everyMs, atOnce }, (turn) =>
      callApi(api, "/embeddings", apiKey, {
        body: nth(bodies, turn),
        from: turn,
        signal: round.signal,
      }),
    );
  },
};
