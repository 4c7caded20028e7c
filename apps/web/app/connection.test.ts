import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createConnection, LostConnectionError } from "./connection";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const page = "http://gateway.test/usage.data";
type Answer = "lost" | { status: number; headers?: Record<string, string> };
const ours = { status: 200, headers: { "x-remix-response": "yes" } };
const gone = { status: 502, headers: { "content-type": "text/html" } };

/** A network that answers one request after the other as it is told, and the last answer from then on. */
function aConnection(...answers: Answer[]) {
  const asked: Request[] = [];
  const events = new EventTarget();
  const connection = createConnection((input) => {
    asked.push(input as Request);
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    if (answer === "lost") return Promise.reject(new TypeError("Failed to fetch"));
    const response = new Response("", answer);
    Object.defineProperty(response, "url", { value: (input as Request).url });
    return Promise.resolve(response);
  }, events);
  return { ...connection, asked, goOnline: () => events.dispatchEvent(new Event("online")) };
}

test.each<[string, Answer]>([
  ["nothing answers", "lost"],
  ["a proxy answers", gone],
  ["a hotel answers", { status: 200, headers: { "content-type": "text/html" } }],
])("a page is asked for again while %s, and the page says that it is", async (_what, answer) => {
  const connection = aConnection(answer, answer, ours);
  const heard = vi.fn();
  connection.subscribe(heard);
  const response = connection.fetch(page);
  await vi.advanceTimersByTimeAsync(400);
  expect([connection.isLost(), connection.asked.length]).toEqual([true, 1]);
  await vi.advanceTimersByTimeAsync(1_200);
  expect((await response).status).toBe(200);
  expect([connection.isLost(), heard.mock.calls.length]).toEqual([false, 2]);
});

test("what the server itself answers is taken as it is, failures too", async () => {
  const connection = aConnection({ status: 503, headers: ours.headers });
  expect((await connection.fetch(page)).status).toBe(503);
  expect(connection.isLost()).toBe(false);
});

test("nobody waits once the page is left", async () => {
  const connection = aConnection("lost");
  const left = new AbortController();
  const response = connection.fetch(page, { signal: left.signal });
  const refused = expect(response).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(100);
  left.abort();
  await refused;
  expect(connection.isLost()).toBe(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(connection.asked).toHaveLength(1);
});

test("it is tried at once when the browser is online again", async () => {
  const connection = aConnection("lost", ours);
  const response = connection.fetch(page);
  await vi.advanceTimersByTimeAsync(1);
  connection.goOnline();
  expect((await response).status).toBe(200);
});

test.each<[string, Answer]>([
  ["nothing answers", "lost"],
  ["a proxy answers", gone],
])("a form is sent once, also where %s", async (_what, answer) => {
  const connection = aConnection(answer);
  await expect(connection.fetch(page, { method: "POST", body: "a=b" })).rejects.toThrow(LostConnectionError);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([connection.asked.length, connection.isLost()]).toEqual([1, false]);
});

test("what is no page's data goes its own way", async () => {
  const connection = aConnection("lost");
  await expect(connection.fetch("http://gateway.test/api/trpc/auth.me")).rejects.toThrow("Failed to fetch");
});
