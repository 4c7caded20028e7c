/** Ten megabytes that are cheap to send and dear to look at, one kind after the other. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi } from "./send.ts";

const everyMs = 2_000;
const atOnce = 2;
const bodyBytes = 10 * 1024 * 1024 - 1_024;

/** `piece` as often as it has room between the two; behind the last one's comma `close` says one more. */
const repeated = (open: string, piece: string, close: string): Buffer => {
  const pieces = Math.floor((bodyBytes - open.length - close.length) / piece.length);
  return Buffer.concat([Buffer.from(open), Buffer.alloc(pieces * piece.length, piece), Buffer.from(close)]);
};

const chat = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"script=none"}],';
/** Each of its own name. */
const keys = (count: number): Buffer =>
  Buffer.from(`${chat}${Array.from({ length: count }, (_, n) => `"${n.toString(36)}":0`).join(",")}}`);

export const heavyBodyKinds: Readonly<Record<string, { path: string; body: () => Buffer }>> = {
  "{} in tools": { path: "/chat/completions", body: () => repeated(`${chat}"tools":[`, "{},", "{}]}") },
  "numbers in prompt": { path: "/completions", body: () => repeated('{"model":"davinci-002","prompt":[', "1,", "1]}") },
  "900,000 keys": { path: "/chat/completions", body: () => keys(900_000) },
  "[] in messages": {
    path: "/chat/completions",
    body: () => repeated('{"model":"gpt-4o-mini","messages":[', "[],", "[]]}"),
  },
  "strings in input": {
    path: "/embeddings",
    body: () => repeated('{"model":"text-embedding-3-small","input":[', '"",', '""]}'),
  },
  "one long word": {
    path: "/chat/completions",
    body: () => repeated('{"model":"gpt-4o-mini","messages":[{"role":"user","content":"', "a", '"}]}'),
  },
  escapes: {
    path: "/chat/completions",
    body: () => repeated('{"model":"gpt-4o-mini","messages":[{"role":"user","content":"', String.raw`\n\"`, '"}]}'),
  },
  spaces: { path: "/chat/completions", body: () => repeated(chat.slice(0, -1), " ", "}") },
  "digits of one number": { path: "/chat/completions", body: () => repeated(`${chat}"seed":1`, "1", "}") },
  "messages with roles": {
    path: "/chat/completions",
    body: () =>
      repeated(
        '{"model":"gpt-4o-mini","messages":[',
        '{"role":"user","content":""},',
        '{"role":"user","content":""}]}',
      ),
  },
  "arrays in arrays": {
    path: "/chat/completions",
    body: () => repeated(`${chat}"metadata":[`, "[[[[[[]]]]]],", "[]]}"),
  },
};

export const heavyBodies: Attack = {
  name: "heavy bodies",
  run: async ({ api }, { apiKey }, round) => {
    const kinds = Object.entries(heavyBodyKinds);
    await repeat(round, { everyMs, atOnce }, async (turn) => {
      const [name, kind] = nth(kinds, turn);
      const status = await callApi(api, kind.path, apiKey, { body: kind.body(), from: turn, signal: round.signal });
      return `${name} ${status}`;
    });
  },
};
