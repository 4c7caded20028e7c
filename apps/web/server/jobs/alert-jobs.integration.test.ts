/** Alerts on their way out: a webhook's receiver that checks the signature, and a real mail server. */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import {
  deriveSecrets,
  noteLedgerVerdict,
  notePasswordGuesses,
  openAlertTargets,
  saveAdminSettings,
  settingsSchema,
} from "@codex-gateway/domain";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { deliver } from "./alert-jobs.ts";
import { aTestAlert, createAlertSender } from "../notify/send-alert.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
const webhookSecret = "a-secret-for-the-webhook";
const credentials = { username: "mailer", password: "mail-password/with:signs" };
const actor = { userId: null, email: null, address: "" };

type Post = { isSigned: boolean; body: { id: string; kind: string; facts: object; text: string; gatewayUrl: string } };
type Mail = { from: string; to: string[]; text: string; isEncrypted: boolean };

let db: TestDatabase;
let receiver: Server;
let mailServer: SMTPServer;
let posts: Post[] = [];
let mails: Mail[] = [];
/** What the receiver answers, one after another; then 204. */
let statuses: number[] = [];
let logged: string[] = [];

async function read(req: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const piece of req) text += piece.toString();
  return text;
}

/** As a receiver does it, by the documentation alone. */
function isSigned({ headers }: IncomingMessage, body: string): boolean {
  const timestamp = String(headers["x-codex-gateway-timestamp"]);
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > 300) return false;
  const expected = `v1=${createHmac("sha256", webhookSecret).update(`${timestamp}.${body}`).digest("hex")}`;
  const given = String(headers["x-codex-gateway-signature"]);
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

beforeAll(async () => {
  db = await createTestDatabase();
  await db.pool.query("INSERT INTO setting (key, value) VALUES ('allowsPrivateUpstreams', 'true')");
  receiver = createServer((req, res) => {
    void read(req).then((body) => {
      posts.push({ isSigned: isSigned(req, body), body: JSON.parse(body) as Post["body"] });
      const status = statuses.shift() ?? 204;
      if (status === 0) return;
      res.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  mailServer = new SMTPServer({
    onAuth: ({ username, password }, _session, done) =>
      username === credentials.username && password === credentials.password
        ? done(null, { user: username })
        : done(new Error("535 Who are you?")),
    onRcptTo: ({ address }, _session, done) =>
      done(address.startsWith("nobody@") ? Object.assign(new Error("No such mailbox"), { responseCode: 550 }) : null),
    onData: (stream, { envelope, secure }, done) => {
      void read(stream).then((text) => {
        const from = envelope.mailFrom ? envelope.mailFrom.address : "";
        mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), text, isEncrypted: secure });
        done();
      });
    },
    logger: false,
  });
  await new Promise<void>((resolve) => void mailServer.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await new Promise<void>((resolve) => mailServer.close(resolve));
  await db.drop();
});
beforeEach(async () => {
  [posts, mails, statuses, logged] = [[], [], [], []];
  await db.pool.query("DELETE FROM alert");
  await db.pool.query("DELETE FROM standing_alert");
});

const webhookUrl = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alerts?key=of-the-receiver`;
const smtpUrl = ({ username, password } = credentials) => {
  const { port } = mailServer.server.address() as AddressInfo;
  return `smtp://${username}:${encodeURIComponent(password)}@127.0.0.1:${port}`;
};
const {
  lowBalanceNanoUsd: _low,
  alertWebhookUrl: _url,
  alertEmailFrom: _from,
  alertEmailTo: _to,
  ...settings
} = settingsSchema.parse({ allowsPrivateUpstreams: true });
const save = (change = {}) =>
  saveAdminSettings(db, secrets, {
    settings,
    upstream: { baseUrl: "https://api.example.com/v1", apiKey: "sk-not-a-real-key" },
    alerts: {
      lowBalanceNanoUsd: 0n,
      webhookUrl: webhookUrl(),
      webhookSecret,
      smtpUrl: smtpUrl(),
      emailFrom: "gateway@example.com",
      emailTo: "boss@example.com, night@example.com",
      ...change,
    },
    actor,
  });

const parts = {
  secrets,
  sendAlert: createAlertSender("https://gateway.example.com"),
  log: (...[level, event]: [string, string, object]) => void logged.push(`${level} ${event}`),
};
const breach = { invariant: "I1", says: "balance = sum of entries", checked: 9, breaches: 2 };
const twoProcesses = (options = {}) => Promise.all([deliver(db, parts, options), deliver(db, parts, options)]);

test("of two processes one sends an alert, signed to the webhook and encrypted to the mail server", async () => {
  await save();
  await noteLedgerVerdict(db, [breach]);
  await twoProcesses();
  await twoProcesses();
  expect(posts).toHaveLength(1);
  expect(posts[0]).toMatchObject({
    isSigned: true,
    body: { kind: "ledger_unsound", facts: { breaches: [breach] }, gatewayUrl: "https://gateway.example.com" },
  });
  expect(posts[0]?.body.text).toContain("The books do not add up");
  expect(mails).toMatchObject([
    { from: "gateway@example.com", to: ["boss@example.com", "night@example.com"], isEncrypted: true },
  ]);
  expect(mails[0]?.text).toMatch(/^Message-ID: <[0-9a-f-]{36}@example\.com>\r$/im);
  expect(mails[0]?.text).toMatch(/The_books_do_not_add_up/);
  expect(logged).toEqual(["info alert_sent", "info alert_sent"]);
});

test("a webhook that fails gets the same alert again, later, and the mail is not sent twice for it", async () => {
  const retryMs = 150;
  await save();
  await noteLedgerVerdict(db, [breach]);
  statuses = [500, 302];
  for (let turn = 0; turn < 4; turn++) {
    await twoProcesses({ retryMs });
    await new Promise((resolve) => setTimeout(resolve, retryMs * 2 ** turn * 1.2));
  }
  expect(posts.map(({ isSigned, body }) => [isSigned, body.id === posts[0]?.body.id])).toEqual(
    Array(3).fill([true, true]),
  );
  expect(mails).toHaveLength(1);
  expect(logged.toSorted()).toEqual([
    "info alert_sent",
    "info alert_sent",
    "warn alert_not_sent",
    "warn alert_not_sent",
  ]);
});

const faults: [why: string, change: () => object, status: number, sentence: RegExp][] = [
  ["status 500", () => ({ emailTo: "" }), 500, /^The webhook answered with status 500\.$/],
  ["a redirect", () => ({ emailTo: "" }), 302, /redirect, which is not followed\.$/],
  ["nobody there", () => ({ emailTo: "", webhookUrl: "http://127.0.0.1:1/" }), 0, /^The webhook cannot be reached\.$/],
  [
    "no TLS there",
    () => ({ emailTo: "", webhookUrl: webhookUrl().replace("http:", "https:") }),
    0,
    /^The webhook offers no valid encryption\.$/,
  ],
  [
    "an unknown host",
    () => ({ emailTo: "", webhookUrl: "https://gateway.invalid/" }),
    0,
    /^The webhook's host was not found\.$/,
  ],
  [
    "a wrong password",
    () => ({ webhookUrl: "", smtpUrl: smtpUrl({ ...credentials, password: "wrong" }) }),
    0,
    /refuses the user name or the password\.$/,
  ],
  [
    "an unknown mailbox",
    () => ({ webhookUrl: "", emailTo: "nobody@example.com" }),
    0,
    /^The mail server refuses the message with code 550\.$/,
  ],
  [
    "no mail server",
    () => ({ webhookUrl: "", smtpUrl: "smtp://127.0.0.1:1" }),
    0,
    /^The mail server cannot be reached\.$/,
  ],
  [
    "an unknown mail host",
    () => ({ webhookUrl: "", smtpUrl: "smtps://mail.gateway.invalid" }),
    0,
    /^The mail server's host was not found\.$/,
  ],
];

test.each(faults)("%s is said in words, without a secret", async (_why, change, status, sentence) => {
  await save(change());
  if (status > 0) statuses = [status];
  const fault = await parts.sendAlert(await openAlertTargets(db, secrets), aTestAlert());
  expect(fault).toMatch(sentence);
  for (const secret of [webhookSecret, "of-the-receiver", credentials.password]) expect(fault).not.toContain(secret);
});

test("a webhook that does not answer is given up in time, before another process may try", async () => {
  await save({ emailTo: "" });
  statuses = [0];
  const startedAtMs = Date.now();
  const fault = await parts.sendAlert(await openAlertTargets(db, secrets), aTestAlert());
  expect(fault).toBe("The webhook did not answer in time.");
  expect(Date.now() - startedAtMs).toBeLessThan(15_000);
});

test("who is guessed at is told by mail once a day, and whoever runs the gateway is not", async () => {
  await save();
  for (const [email, status] of [
    ["guessed@example.com", "active"],
    ["suspended@example.com", "suspended"],
    ["quiet@example.com", "active"],
  ] as const) {
    await db.prisma.user.create({ data: { id: randomUUID(), email, passwordHash: "-", status } });
  }
  const counter = (email: string, points: number) => ({
    key: `login-account:${email}`,
    points,
    expire: BigInt(Date.now() + 60_000),
  });
  await db.prisma.throttle.createMany({
    data: [
      counter("guessed@example.com", 11),
      counter("suspended@example.com", 11),
      counter("quiet@example.com", 10),
      counter("unknown@example.com", 500),
    ],
  });
  for (let n = 0; n < 3; n++) {
    await Promise.all([notePasswordGuesses(db), notePasswordGuesses(db)]);
    await deliver(db, parts);
  }
  expect(mails.map(({ to }) => to)).toEqual([["guessed@example.com"]]);
  expect(mails[0]?.text).toContain("guessed@example.com  11");
  expect(posts).toEqual([]);
});
