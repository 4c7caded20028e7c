/** Builders for tests of log-ins: people with passwords, and where they come from. */
import { randomInt, randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { register } from "../identity/registration.ts";
import type { OpenedSession, Visitor } from "../identity/sessions.ts";
import type { Throttles } from "../identity/throttles.ts";

export const testPassword = "password-of-somebody";

export const aVisitor = (visitor: Partial<Visitor> = {}): Visitor => ({
  address: anAddress(),
  userAgent: "test",
  browserToken: null,
  endedSessionId: null,
  ...visitor,
});

/** IPv4, for benchmarks and so nobody's (RFC 2544). */
const anAddress = (): string => `198.${18 + randomInt(2)}.${randomInt(256)}.${randomInt(256)}`;

export type Somebody = {
  email: string;
  userId: string;
  /** From where they registered. */
  visitor: Visitor;
  session: OpenedSession;
};

export async function aSomebody(db: Database, throttles: Throttles): Promise<Somebody> {
  const [email, visitor] = [`${randomUUID()}@example.com`, aVisitor()];
  const session = await register(db, throttles, { email, password: testPassword }, visitor);
  return { email, userId: session.userId, visitor, session };
}
