import { expect, test } from "vitest";
import { createKeyLookups } from "./key-lookups.ts";

/** Answers a question when it is told to. */
function slowReader(known: Record<string, string>) {
  const asked: string[][] = [];
  const gates: ((error?: Error) => void)[] = [];
  const read = (secrets: string[]) => {
    asked.push(secrets);
    return new Promise<Map<string, string>>((resolve, reject) => {
      gates.push((error) => {
        if (error) reject(error);
        else resolve(new Map(Object.entries(known).filter(([secret]) => secrets.includes(secret))));
      });
    });
  };
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return { asked, read, turn, answer: (error?: Error) => gates.shift()?.(error) };
}

test("whoever asks in one turn is in one question, and each gets an answer of their own", async () => {
  const { read, asked, turn, answer } = slowReader({ a: "A", b: "B" });
  const lookups = createKeyLookups(read);
  const found = Promise.all(["a", "x", "b", "a"].map((secret) => lookups.find(secret)));
  await turn();
  answer();
  expect(await found).toEqual(["A", null, "B", "A"]);
  expect(asked).toEqual([["a", "x", "b"]]);
});

test("what comes during a question is the next one, however much it is", async () => {
  const { read, asked, turn, answer } = slowReader({ mine: "M" });
  const lookups = createKeyLookups(read);
  const first = lookups.find("first");
  await turn();
  const strangers = Array.from({ length: 255 }, (_, n) => lookups.find(`stranger ${n}`));
  const mine = lookups.find("mine");
  const later = lookups.find("later");
  answer();
  expect(await first).toBeNull();
  await turn();
  answer();
  expect(await mine).toBe("M");
  expect(new Set(await Promise.all(strangers))).toEqual(new Set([null]));
  await turn();
  answer();
  expect(await later).toBeNull();
  expect(asked.map(({ length }) => length)).toEqual([1, 256, 1]);
});

test("a question that fails fails those who asked it, and nobody after them", async () => {
  const { read, turn, answer } = slowReader({ b: "B" });
  const lookups = createKeyLookups(read);
  const failed = lookups.find("a").catch((error: unknown) => (error as Error).message);
  await turn();
  const next = lookups.find("b");
  answer(new Error("The database is gone."));
  expect(await failed).toBe("The database is gone.");
  await turn();
  answer();
  expect(await next).toBe("B");
});
