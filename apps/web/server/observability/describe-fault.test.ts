import { expect, test } from "vitest";
import { describeFault } from "./describe-fault.ts";

const secret = "my secret prompt";

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

const manyLines = `${secret}\n    at ${secret} (/home/${secret}/prompt.ts:1:1)\n    at /home/prompt-of-a-user.ts:1:1`;
const hostile = {
  get name(): string {
    throw new Error(secret);
  },
  get stack(): string {
    throw new Error(secret);
  },
};
const named = Object.assign(new Error(secret), { name: secret, code: secret });

test.each<[what: string, thrown: unknown]>([
  ["invalid JSON", thrownBy(() => JSON.parse(`{"messages":"${secret}"`))],
  ["a message of many lines that look like a stack", new Error(manyLines)],
  ["an error whose name and code are the body", named],
  ["a cause with the body", new Error("x", { cause: secret })],
  ["a string", secret],
  ["an object", { message: secret, stack: secret, name: secret, code: secret }],
  ["an object whose properties throw", hostile],
  ["nothing", undefined],
  ["null", null],
])("%s is described without its content", (_what, thrown) => {
  const said = JSON.stringify(describeFault(thrown));
  expect(said).not.toMatch(/secret|prompt-of-a-user/);
});

test("the class, the code and the place are told", () => {
  const error = Object.assign(new TypeError(secret), { code: "ERR_TEST" });
  const { name, code, frames } = describeFault(error);
  expect({ name, code }).toEqual({ name: "TypeError", code: "ERR_TEST" });
  expect(frames[0]).toMatch(/describe-fault\.test\.ts:\d+:\d+\)?$/);
});

test("a stack of a message that was changed since tells nothing of the first one", () => {
  const error = new Error(secret);
  error.message = "another";
  expect(JSON.stringify(describeFault(error))).not.toContain("secret");
});
