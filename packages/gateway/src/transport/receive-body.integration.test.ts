import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { BodyTooSlowError, RequestCutError } from "../call.ts";
import { cutSlowBodies, isTooSlow, receiveBody, type Receiving } from "./receive-body.ts";

test.each([
  [0, 29_000, false],
  [0, 31_000, true],
  [1_000, 31_000, true],
  [300_000, 31_000, false],
  [1_000_000, 300_000, true],
])("%i bytes in %i ms: too slow is %s", (bytes, tookMs, expected) => {
  expect(isTooSlow(bytes, tookMs)).toBe(expected);
});

test("a client that keeps its body back is cut, and nothing of it stays", async () => {
  const receiving: Receiving = new Set();
  const server = createServer((req, res) => {
    receiveBody(req, res, { maxBytes: 1_000, admit: () => undefined }, receiving).then(
      () => res.end("read"),
      (error: unknown) => res.end(error instanceof BodyTooSlowError ? "cut" : "failed"),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = request({ port, method: "POST", headers: { "content-length": "100" } });
  const said = new Promise<string>((resolve) => {
    client.once("response", (res) => res.once("data", (data: Buffer) => resolve(data.toString())));
  });
  client.write("x");
  await expect.poll(() => receiving.size).toBe(1);
  cutSlowBodies(receiving, Date.now());
  expect(receiving.size).toBe(1);
  cutSlowBodies(receiving, Date.now() + 60_000);
  expect(await said).toBe("cut");
  expect(receiving.size).toBe(0);
  client.on("error", () => undefined).destroy();
  server.closeAllConnections();
  server.close();
});

test("a body whose client has left before it is read is not waited for", async () => {
  const outcomes: unknown[] = [];
  const server = createServer((req, res) => {
    // As while the key is looked up.
    res.once("close", () => {
      receiveBody(req, res, { maxBytes: 1_000, admit: () => undefined }, new Set()).then(
        () => outcomes.push("read"),
        (error: unknown) => outcomes.push(error),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = request({ port, method: "POST", headers: { "content-length": "100" } }).on("error", () => undefined);
  client.write("x");
  await new Promise((resolve) => server.once("request", resolve));
  client.destroy();
  await expect.poll(() => outcomes).toEqual([expect.any(RequestCutError)]);
  server.close();
});
