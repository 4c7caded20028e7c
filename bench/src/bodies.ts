/** What the benchmark sends. */

const chat = (content: string, members: object = {}) =>
  JSON.stringify({ model: "gpt-4o-mini", max_tokens: 200, ...members, messages: [{ role: "user", content }] });

const smallPrompt = "x".repeat(900);
/** Code, as an agent sends it: with quotes and line ends, each of which is an escape. */
const codeLine = 'if (name === "gateway") return;\n';
const largeBodyChars = 100_000;

export const jsonBody = chat(smallPrompt);
export const streamBody = chat(smallPrompt, { stream: true });
export const largeBody = chat(codeLine.repeat(largeBodyChars / JSON.stringify(codeLine).length));
