import { expect, test, vi, beforeEach, afterEach } from "vitest";
import { createPageTurns, type PageRequest } from "./page-turns.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Those whose turn it is, by name, in the order in which they got it. */
function asking(turns: ReturnType<typeof createPageTurns>) {
  const begun: string[] = [];
  const requests = new Map<string, PageRequest>();
  return {
    begun,
    ask: async (name: string, address: string, session: string | null = null) => {
      const request = turns.enter(address, session);
      if (!request) return false;
      requests.set(name, request);
      request.turn().then(
        () => begun.push(name),
        () => begun.push(`${name} failed`),
      );
      await Promise.resolve();
      return true;
    },
    leave: async (name: string) => {
      requests.get(name)?.leave();
      await Promise.resolve();
    },
  };
}

test("so many run at once, and the next one begins when one is over", async () => {
  const { ask, leave, begun } = asking(createPageTurns({ maxRunning: 2 }));
  for (const name of ["a", "b", "c"]) await ask(name, "192.0.2.1");
  expect(begun).toEqual(["a", "b"]);
  await leave("b");
  expect(begun).toEqual(["a", "b", "c"]);
});

test("a network that asks once is next, whatever another one has in line", async () => {
  const { ask, leave, begun } = asking(createPageTurns({ maxRunning: 1 }));
  for (const name of ["a1", "a2", "a3", "a4"]) await ask(name, "192.0.2.1");
  await ask("b1", "198.51.100.1");
  await leave("a1");
  await leave("a2");
  expect(begun).toEqual(["a1", "a2", "b1"]);
  await leave("b1");
  expect(begun).toEqual(["a1", "a2", "b1", "a3"]);
});

test("whoever waits for something else gives the processor to the next, and takes nothing from them when it ends", async () => {
  const { ask, leave, begun } = asking(createPageTurns({ maxRunning: 1, maxTurnMs: 100 }));
  for (const name of ["a", "b", "c"]) await ask(name, "192.0.2.1");
  await vi.advanceTimersByTimeAsync(100);
  expect(begun).toEqual(["a", "b"]);
  await leave("a");
  await leave("a");
  expect(begun).toEqual(["a", "b"]);
  await leave("b");
  expect(begun).toEqual(["a", "b", "c"]);
});

test("a client that leaves the line is not waited for", async () => {
  const { ask, leave, begun } = asking(createPageTurns({ maxRunning: 1 }));
  for (const name of ["a", "b", "c"]) await ask(name, "192.0.2.1");
  await leave("b");
  await leave("a");
  expect(begun).toEqual(["a", "c"]);
});

test("a network has its share, all IPv6 addresses of a /64 are one, and what is over is room again", async () => {
  const { ask, leave } = asking(createPageTurns({ maxPerNetwork: 2, maxInAll: 3 }));
  expect(await ask("a", "2001:db8::1")).toBe(true);
  expect(await ask("b", "2001:db8::2")).toBe(true);
  expect(await ask("c", "2001:db8::3")).toBe(false);
  expect(await ask("d", "2001:db8:0:1::1")).toBe(true);
  expect(await ask("e", "192.0.2.1")).toBe(false);
  await leave("d");
  expect(await ask("f", "192.0.2.1")).toBe(true);
});

test("a session has its share, from however many networks it asks", async () => {
  const { ask, leave } = asking(createPageTurns({ maxPerSession: 2 }));
  expect(await ask("a", "192.0.2.1", "session")).toBe(true);
  expect(await ask("b", "192.0.2.2", "session")).toBe(true);
  expect(await ask("c", "192.0.2.3", "session")).toBe(false);
  expect(await ask("d", "192.0.2.3", "another")).toBe(true);
  expect(await ask("e", "192.0.2.3")).toBe(true);
  await leave("a");
  expect(await ask("f", "192.0.2.3", "session")).toBe(true);
});
