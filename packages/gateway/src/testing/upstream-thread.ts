/** For tests that watch the event loop: an upstream on a thread of its own, whose work is no block of the gateway's. */
import { Worker } from "node:worker_threads";

/** An answer as it is written: each text so many times. */
export type Written = { contentType: string; parts: [text: string, times: number][] };

export type UpstreamThread = { baseUrl: string; stop(): Promise<unknown> };

const program = `
const { createServer } = require("node:http");
const { parentPort, workerData: { contentType, parts } } = require("node:worker_threads");
const pieces = [];
for (const [text, times] of parts) {
  const perPiece = Math.max(1, Math.floor(65536 / text.length));
  const piece = Buffer.from(text.repeat(perPiece));
  for (let left = times; left > 0; left -= perPiece) pieces.push(left < perPiece ? Buffer.from(text.repeat(left)) : piece);
}
const server = createServer((req, res) => {
  req.on("data", () => undefined);
  req.on("end", () => {
    res.writeHead(200, { "content-type": contentType });
    let at = 0;
    const more = () => {
      while (at < pieces.length) if (!res.write(pieces[at++])) return void res.once("drain", more);
      res.end();
    };
    more();
  });
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

export async function startUpstreamThread(answer: Written): Promise<UpstreamThread> {
  const worker = new Worker(program, { eval: true, workerData: answer });
  const port = await new Promise<number>((resolve, reject) => worker.once("message", resolve).once("error", reject));
  return { baseUrl: `http://127.0.0.1:${port}/v1`, stop: () => worker.terminate() };
}
