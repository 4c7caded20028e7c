import { expect, test } from "vitest";
import { decrypt, deriveSecrets, encrypt, safetyIdentifierOf } from "./secrets.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");

test("what was encrypted for a row opens for that row alone", () => {
  const sealed = encrypt("sk-upstream", secrets.encryptionKey, "row-1");
  expect(sealed.includes(Buffer.from("sk-upstream"))).toBe(false);
  expect(decrypt(sealed, secrets.encryptionKey, "row-1")).toBe("sk-upstream");
  expect(() => decrypt(sealed, secrets.encryptionKey, "row-2")).toThrow();
  expect(() => decrypt(sealed, secrets.keyPepper, "row-1")).toThrow();
});

test("each purpose has a key of its own, and another secret gives others", () => {
  const other = deriveSecrets("another secret of the same length");
  const keysOf = ({ keyPepper, encryptionKey, identifierKey }: typeof other) => [
    keyPepper,
    encryptionKey,
    identifierKey,
  ];
  const keys = [...keysOf(secrets), ...keysOf(other)].map((key) => key.toString("hex"));
  expect(new Set(keys).size).toBe(6);
});

test("the name that the provider sees of a user is stable and says nothing", () => {
  expect(safetyIdentifierOf("user-1", secrets)).toBe(safetyIdentifierOf("user-1", secrets));
  expect(safetyIdentifierOf("user-1", secrets)).not.toContain("user-1");
});

test("access tokens may have a secret of their own, which changes nothing else", () => {
  const own = deriveSecrets("a secret of thirty-two characters", {
    tokenSecret: "a token secret of thirty-two characters",
  });
  expect(own.tokenKey).not.toEqual(secrets.tokenKey);
  expect({ ...own, tokenKey: null }).toEqual({ ...secrets, tokenKey: null });
});
