/** What a proxy costs at the least: node:http and undici, every byte passed on, nothing looked at. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const pool = new Pool(process.argv[2] ?? "", { pipelining: 1 });

const server = createServer((req, res) => {
  const body: Buffer[] = [];
  req.on("data", (part: Buffer) => body.push(part));
  req.on("end", () => {
    pool.dispatch(
      {
        path: req.url ?? "/",
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.concat(body),
      },
      {
        onRequestStart: () => undefined,
        onResponseStart: (controller, status, { "content-type": type }) => {
          res.writeHead(status, { "content-type": String(type) });
          res.on("drain", () => controller.resume());
        },
        onResponseData: (controller, part) => {
          if (!res.write(part)) controller.pause();
        },
        onResponseEnd: () => res.end(),
        onResponseError: () => res.destroy(),
      },
    );
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`PORT ${(server.address() as AddressInfo).port}`));
