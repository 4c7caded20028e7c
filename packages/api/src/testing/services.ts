/** What the procedures are called with in tests: a real database, and nobody outside of it. */
import type { Database } from "@codex-gateway/db";
import { createBrowserCookie, createSessions, createThrottles, deriveSecrets } from "@codex-gateway/domain";
import type { Services } from "../context.ts";

export const servicesOn = (db: Database): Services => ({
  db,
  secrets: deriveSecrets("a secret of thirty-two characters"),
  sessions: createSessions(db, false),
  browserCookie: createBrowserCookie(false),
  throttles: createThrottles(db),
  endpoints: ["chat.completions", "responses", "completions", "embeddings"],
  testUpstream: () => Promise.resolve(null),
  healthOfUpstream: () => "unused",
  sendTestAlert: () => Promise.resolve(null),
});
