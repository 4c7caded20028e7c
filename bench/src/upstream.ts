/** A fast upstream: 1 KB of JSON, or 100 chunks of a stream, without any wait. Runs as a process of its own. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const usage = { prompt_tokens: 12, completion_tokens: 100, total_tokens: 112 };
const json = Buffer.from(
  JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    model: "gpt-4o-mini",
    choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(800) }, finish_reason: "stop" }],
    usage,
  }),
);
const event = (value: object) => Buffer.from(`data: ${JSON.stringify(value)}\n\n`);
const base = { id: "chatcmpl-bench", object: "chat.completion.chunk", model: "gpt-4o-mini" };
const chunk = event({ ...base, choices: [{ index: 0, delta: { content: "word " } }] });
const last = Buffer.concat([event({ ...base, choices: [], usage }), Buffer.from("data: [DONE]\n\n")]);
const chunks = 100;

const server = createServer((req, res) => {
  let isStream = false;
  req.on("data", (part: Buffer) => {
    isStream ||= part.includes('"stream":true');
  });
  req.on("end", () => {
    if (!isStream) {
      res.writeHead(200, { "content-type": "application/json", "content-length": json.length }).end(json);
      return;
    }
    res.writeHead(200, { "content-type": "text/event-stream" });
    let sent = 0;
    const more = () => {
      // A turn of the event loop between chunks, so that each is a write of its own, as a model's are.
      if (sent++ < chunks) {
        res.write(chunk);
        setImmediate(more);
      } else res.end(last);
    };
    more();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`PORT ${(server.address() as AddressInfo).port}`));
