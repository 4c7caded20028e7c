/** Alerts from the settings page to the receivers: two processes on one database, a webhook, a mail server, a browser. */
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDatabase, startEmbeddedPostgres, type EmbeddedPostgres } from "@codex-gateway/db";
import { createPerson, startGatewayProcess, type GatewayProcess, type Person } from "@codex-gateway/demo";
import { SMTPServer } from "smtp-server";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { gatewayEnv } from "./gateway-env.ts";

const webhookSecret = "a-secret-for-the-webhook";
const mailPassword = "mail-password-of-the-test";
const owner = { email: "owner@example.com", password: "password-of-owner" };
const user = { email: "user@example.com", password: "password-of-user" };

type Facts = { users?: { email: string; balanceUsd: string }[]; reason?: string; status?: number };
type Post = { kind: string; facts: Facts; isSigned: boolean };

let folder: string;
let postgres: EmbeddedPostgres;
let gateways: GatewayProcess[];
let upstream: Server;
let receiver: Server;
let mailServer: SMTPServer;
let browser: Browser;
let ownerSession: Person;
let page: Page;
let upstreamStatus = 200;
let receiverStatus = 204;
const posts: Post[] = [];
const mails: string[] = [];

const listening = (server: Server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-alerts-"));
  postgres = await startEmbeddedPostgres(path.join(folder, "database"), { serverOptions: ["-c", "fsync=off"] });
  upstream = createServer((req, res) => {
    req.resume();
    const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
    res.writeHead(upstreamStatus, { "content-type": "application/json" });
    res.end(JSON.stringify(upstreamStatus === 200 ? { id: randomUUID(), choices: [], usage } : { error: {} }));
  });
  receiver = createServer((req, res) => {
    let body = "";
    req.on("data", (text: Buffer) => (body += text.toString()));
    req.on("end", () => {
      const signed = `${String(req.headers["x-codex-gateway-timestamp"])}.${body}`;
      const signature = createHmac("sha256", webhookSecret).update(signed).digest("hex");
      const isSigned = req.headers["x-codex-gateway-signature"] === `v1=${signature}`;
      posts.push({ ...(JSON.parse(body) as Omit<Post, "isSigned">), isSigned });
      res.writeHead(receiverStatus).end();
    });
  });
  mailServer = new SMTPServer({
    onAuth: ({ password }, _session, done) =>
      password === mailPassword ? done(null, { user: "mailer" }) : done(new Error("no")),
    onData: (stream, _session, done) => {
      let text = "";
      stream.on("data", (piece: Buffer) => (text += piece.toString()));
      stream.on("end", () => {
        mails.push(text);
        done();
      });
    },
  });
  await Promise.all([listening(upstream), listening(receiver)]);
  await new Promise<void>((resolve) => void mailServer.listen(0, "127.0.0.1", resolve));
  gateways = [];
  for (let n = 0; n < 2; n++) {
    gateways.push(
      await startGatewayProcess(
        gatewayEnv({
          DATA_FOLDER: path.join(folder, "gateway"),
          DATABASE_URL: postgres.url,
        }),
      ),
    );
  }
  ownerSession = createPerson(gateways[0]!.web);
  await ownerSession.api.setup.complete.mutate({
    token: gateways[1]!.setupToken ?? "",
    owner,
    upstream: { baseUrl: `http://127.0.0.1:${portOf(upstream)}/v1`, apiKey: "sk-upstream-key", isPrivateAllowed: true },
    announcement: "",
    defaultBalanceUsd: "0",
    isRegistrationOpen: true,
  });
  browser = await launchBrowser();
  page = await (await browser.newContext({ locale: "zh-CN" })).newPage();
}, 90_000);
afterAll(async () => {
  await browser.close();
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await postgres.stop();
  for (const server of [upstream, receiver]) {
    server.closeAllConnections();
    server.close();
  }
  await new Promise<void>((resolve) => mailServer.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

async function logIn(who: { email: string; password: string }): Promise<void> {
  await page.context().clearCookies();
  await page.goto(`${gateways[0]!.web}/login`);
  await page.locator("#email").fill(who.email);
  await page.locator("#password").fill(who.password);
  await page.locator("form button[type=submit]").last().click();
  await page.locator("#content").waitFor();
}

const press = (name: string) => page.getByRole("button", { name }).click();
const says = (text: string) => page.getByText(text).waitFor();
const smtpUrl = (password: string, port = portOf(mailServer.server)) => `smtp://mailer:${password}@127.0.0.1:${port}`;

test("in the settings each channel is tested before it is saved, and what is wrong is said in words", async () => {
  await logIn(owner);
  await page.goto(`${gateways[0]!.web}/admin/settings`, { waitUntil: "networkidle" });
  await press("发送测试 Webhook");
  await says("请输入 Webhook 地址。");
  await page.getByLabel("Webhook 地址").fill(`http://127.0.0.1:${portOf(receiver)}/alerts`);
  await press("发送测试 Webhook");
  await says("请输入至少 16 位的密钥。");
  await page.getByLabel("Webhook 签名密钥").fill(webhookSecret);
  receiverStatus = 500;
  await press("发送测试 Webhook");
  await says("Webhook 返回状态 500。");
  receiverStatus = 204;
  await press("发送测试 Webhook");
  await says("测试已发送");
  expect(posts).toMatchObject([
    { kind: "test", isSigned: true },
    { kind: "test", isSigned: true },
  ]);

  await page.getByLabel("发件人").fill("gateway@example.com");
  await page.getByLabel("收件人").fill("boss@example.com");
  await page.getByLabel("SMTP 地址").fill(smtpUrl(mailPassword, 1));
  await press("发送测试邮件");
  await says("无法连接邮件服务器。");
  await page.getByLabel("SMTP 地址").fill(smtpUrl("wrong"));
  await press("发送测试邮件");
  await says("邮件服务器拒绝了用户名或密码。");
  await page.getByLabel("SMTP 地址").fill(smtpUrl(mailPassword));
  await press("发送测试邮件");
  await says("测试已发送");
  expect(mails).toHaveLength(1);

  await page.getByLabel("余额不足阈值").fill("2");
  await page.getByLabel("系统公告").fill("明天维护");
  await page.getByLabel("Webhook 地址").fill("nowhere");
  await press("保存设置");
  await page.locator("#webhookUrl-note").getByText("请输入形如").waitFor();
  // The one button saves all that was typed.
  expect(await page.getByLabel("系统公告").inputValue()).toBe("明天维护");
  await page.getByLabel("Webhook 地址").fill(`http://127.0.0.1:${portOf(receiver)}/alerts`);
  await press("保存设置");
  await says("设置已保存。");
  expect(await page.getByRole("button", { name: /^保存/ }).count()).toBe(1);
  await page.reload({ waitUntil: "networkidle" });
  expect(await page.getByLabel("系统公告").inputValue()).toBe("明天维护");
  for (const label of ["Webhook 签名密钥", "SMTP 地址"]) expect(await page.getByLabel(label).inputValue()).toBe("");
  expect(await page.content()).not.toContain(mailPassword);
  await press("发送测试邮件");
  await says("测试已发送");
  await expect.poll(() => mails.length).toBe(2);
});

test("secrets that are left empty stay as they are", async () => {
  await press("保存设置");
  await says("设置已保存。");
  expect(await ownerSession.api.admin.alerts.get.query()).toMatchObject({ hasSmtpUrl: true, hasWebhookSecret: true });
});

test("two processes tell once of a user who falls below the threshold, of an upstream that refuses its key, and of its recovery", async () => {
  const person = createPerson(gateways[1]!.web);
  await person.api.auth.register.mutate(user);
  const userId = (await person.api.auth.me.query())?.id ?? "";
  const form = { userId, amountUsd: "2.000001", isPaid: true, note: "", formId: randomUUID() };
  await ownerSession.api.admin.users.adjustBalance.mutate(form);
  await logIn(user);
  await says("$2.00");
  expect(await page.getByText("余额仅剩").count()).toBe(0);
  const { secret } = await person.api.keys.create.mutate({ name: "laptop" });
  posts.length = mails.length = 0;
  expect(await chat(0, secret)).toBe(200);
  await expect.poll(() => posts.length, { timeout: 30_000 }).toBe(1);
  await expect.poll(() => mails.length).toBe(1);
  expect(posts[0]).toMatchObject({
    kind: "low_balance",
    isSigned: true,
    facts: { users: [{ email: user.email, balanceUsd: "1.999996200" }] },
  });
  await page.reload();
  await says("余额仅剩");
  expect(await chat(1, secret)).toBe(200);

  posts.length = mails.length = 0;
  upstreamStatus = 401;
  expect([await chat(0, secret), await chat(1, secret)]).toEqual([503, 503]);
  await expect.poll(() => posts.length, { timeout: 30_000 }).toBe(1);
  upstreamStatus = 200;
  const mended = async () => [await chat(0, secret), await chat(1, secret)];
  await expect.poll(mended, { timeout: 30_000, interval: 1_000 }).toEqual([200, 200]);
  await expect.poll(() => posts.length, { timeout: 60_000 }).toBe(2);
  await expect.poll(() => mails.length).toBe(2);
  expect(posts.map(({ kind, isSigned }) => [kind, isSigned])).toEqual([
    ["upstream_down", true],
    ["upstream_recovered", true],
  ]);
  expect(posts[0]?.facts).toMatchObject({ reason: "key_refused", status: 401 });

  const db = openDatabase(postgres.url, { maxConnections: 1 });
  const counted = await db.prisma.alert.groupBy({ by: ["kind"], _count: true, orderBy: { kind: "asc" } });
  await db.close();
  expect(counted.map(({ kind, _count }) => [kind, _count])).toEqual([
    ["low_balance", 1],
    ["upstream_down", 1],
    ["upstream_recovered", 1],
  ]);
  for (const secretText of [webhookSecret, mailPassword, "sk-upstream-key", secret]) {
    for (const gateway of gateways) expect(gateway.output()).not.toContain(secretText);
    expect(JSON.stringify(posts) + mails.join("")).not.toContain(secretText);
  }
}, 180_000);

test("the settings say when a channel failed last and why, until and after a later alert was delivered", async () => {
  await logIn(owner);
  posts.length = 0;
  receiverStatus = 500;
  upstreamStatus = 401;
  const person = createPerson(gateways[1]!.web);
  await person.api.auth.login.mutate(user);
  const { secret } = await person.api.keys.create.mutate({ name: "again" });
  expect(await chat(0, secret)).toBe(503);
  const failure = async () => (await ownerSession.api.admin.alerts.failures.query()).webhook?.isOver;
  await expect.poll(failure, { timeout: 60_000 }).toBe(false);
  await page.goto(`${gateways[0]!.web}/admin/settings`);
  await says("发送失败：Webhook 返回状态 500。");
  receiverStatus = 204;
  await expect.poll(failure, { timeout: 90_000 }).toBe(true);
  await page.reload();
  await says("曾发送失败：Webhook 返回状态 500。 之后的通知已送达。");
}, 180_000);

async function chat(n: number, secret: string): Promise<number> {
  const response = await fetch(`${gateways[n]!.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}` },
    body: '{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"a prompt"}]}',
  });
  await response.text();
  return response.status;
}
