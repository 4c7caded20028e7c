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
        onConnect: () => undefined,
        onHeaders: (status, rawHeaders, resume) => {
          const headers: string[] = [];
          for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
            const name = String(rawHeaders[i]);
            if (name.toLowerCase() === "content-type") headers.push(name, String(rawHeaders[i + 1]));
          }
          res.writeHead(status, headers);
          res.on("drain", resume);
          return true;
        },
        onData: (part) => res.write(part),
        onComplete: () => res.end(),
        onError: () => res.destroy(),
      },
    );
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`PORT ${(server.address() as AddressInfo).port}`));
