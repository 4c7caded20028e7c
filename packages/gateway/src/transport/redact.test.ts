import fc from "fast-check";
import { expect, test } from "vitest";
import { createRedactor } from "./redact.ts";

const operator = {
  baseUrl: "https://models.internal.example:8443/v1",
  apiKey: "sk-operator-key",
  organization: "org-acme12",
  project: null,
};

function redactBytes(text: string, sizes: number[]): string {
  const redactor = createRedactor(operator).open!();
  const bytes = Buffer.from(text);
  const out: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) out.push(...redactor.push(Buffer.from(bytes.subarray(at, (at += size)))));
  out.push(...redactor.push(Buffer.from(bytes.subarray(at))));
  const rest = redactor.rest();
  if (rest) out.push(rest);
  return Buffer.concat(out).toString();
}

const parts = fc.constantFrom(
  "sk-operator-key",
  "org-acme12",
  "sk-oper",
  "sk-sk-operator-ke",
  "s",
  "org-",
  "text ",
  "é",
);

test("however the bytes are cut, the operator's own is overwritten, and nothing else is touched", () => {
  fc.assert(
    fc.property(fc.array(parts), fc.array(fc.nat({ max: 9 })), (texts, sizes) => {
      const text = texts.join("");
      const expected = text.replaceAll("sk-operator-key", "*".repeat(15)).replaceAll("org-acme12", "*".repeat(10));
      expect(redactBytes(text, sizes)).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
});

test("an error also loses the host, and what looks like a key", () => {
  const redactor = createRedactor(operator);
  expect(
    redactor.redactText("models.internal.example:8443 and models.internal.example said no to sk-proj-abcdef123456"),
  ).toBe("*** and *** said no to ***");
});

test("words that local servers take for a key are no secret", () => {
  expect(createRedactor({ ...operator, apiKey: "ollama", organization: null }).open).toBeNull();
});
