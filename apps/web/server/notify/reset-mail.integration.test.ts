/** Mails with a link for a new password: where the link leads, and how many are under way. */
import { createServer } from "node:net";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { deriveSecrets, saveAdminSettings, settingsSchema } from "@codex-gateway/domain";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPublicAddress } from "../http/public-address.ts";
import { createResetMailer } from "./reset-mail.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
const ports = { web: 3000, api: 8080 };
let db: TestDatabase;
let server: SMTPServer;
const mails: string[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
  server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData: (stream, _session, done) => {
      let mail = "";
      stream.on("data", (piece: Buffer) => (mail += piece.toString()));
      stream.on("end", () => {
        mails.push(mail);
        done();
      });
    },
  });
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = probe.address() as { port: number };
      probe.close(() => resolve(free));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const {
    lowBalanceNanoUsd: _low,
    alertWebhookUrl: _url,
    alertEmailFrom: _from,
    alertEmailTo: _to,
    ...settings
  } = settingsSchema.parse({});
  await saveAdminSettings(db, secrets, {
    settings: { ...settings, allowsPrivateUpstreams: true },
    upstream: { baseUrl: "https://api.openai.com/v1", apiKey: "sk-not-a-real-key" },
    alerts: { smtpUrl: `smtp://127.0.0.1:${port}`, emailFrom: "gateway@example.com", emailTo: "ops@example.com" },
    actor: { userId: null, email: null, address: "" },
  });
});
afterAll(async () => {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await db.drop();
});

const mailer = (page?: string) => {
  const lines: string[] = [];
  const publicAddress = createPublicAddress({ configured: { page, api: undefined }, ports });
  const log = (_level: string, event: string) => void lines.push(event);
  return { send: createResetMailer({ db, secrets, log, publicAddress }), lines };
};

test("the link leads to the address that the operator has said", async () => {
  mailer("https://gw.example.com").send({ email: "anna@example.com", token: "the-token" });
  await expect.poll(() => mails.length, { timeout: 10_000 }).toBe(1);
  const [mail = ""] = mails;
  expect(mail).toMatch(/^To: anna@example.com/m);
  expect(mail.replaceAll("=\r\n", "")).toContain("https://gw.example.com/reset/the-token");
});

test("no more than four are under way; the others are told in the log", async () => {
  const { send, lines } = mailer();
  for (let n = 0; n < 10; n++) send({ email: `user-${n}@example.com`, token: "x" });
  expect(lines).toEqual(Array(6).fill("reset_mail_dropped"));
  await expect.poll(() => mails.length, { timeout: 10_000 }).toBe(5);
});
