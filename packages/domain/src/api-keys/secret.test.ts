import fc from "fast-check";
import { expect, test } from "vitest";
import { createSecret, displayOf, hashSecret, isSecret } from "./secret.ts";

test("new secrets are well formed and never the same", () => {
  const secrets = Array.from({ length: 1_000 }, createSecret);
  expect(secrets.every(isSecret)).toBe(true);
  expect(new Set(secrets).size).toBe(1_000);
});

test("a secret with one character changed, or cut short, is no secret", () => {
  const secret = createSecret();
  fc.assert(
    fc.property(fc.nat({ max: secret.length - 1 }), fc.constantFrom("0", "A", "z", "_"), (at, character) => {
      const changed = secret.slice(0, at) + character + secret.slice(at + 1);
      expect(isSecret(changed)).toBe(changed === secret);
    }),
  );
  expect(isSecret(secret.slice(0, -1))).toBe(false);
  expect(isSecret("")).toBe(false);
});

test("the stored hash depends on the pepper, and the display does not give the secret away", () => {
  const secret = createSecret();
  const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  expect(hashSecret(secret, one)).toEqual(hashSecret(secret, one));
  expect(hashSecret(secret, one)).not.toEqual(hashSecret(secret, two));
  const { prefix, lastFour } = displayOf(secret);
  expect(prefix).toMatch(/^sk-cg-.{4}$/);
  expect(prefix.length + lastFour.length).toBeLessThan(secret.length / 3);
});
