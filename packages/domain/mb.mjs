import { openDatabase, startEmbeddedPostgres, migrate } from "@codex-gateway/db";
import { createLedger, openInstance, seedPrices, loadPrices } from "./dist/index.js";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
const folder = mkdtempSync("/tmp/mb-");
const opts = process.env.FSYNC === "off" ? { serverOptions: ["-c", "fsync=off"] } : {};
const server = await startEmbeddedPostgres(folder, opts);
const db = openDatabase(server.url);
await migrate(db.pool, "/work/main/prisma/migrations");
await seedPrices(db);
const version = (await db.pool.query("select id from price_version where model='gpt-4o-mini'")).rows[0].id;
const users = [];
for (let i = 0; i < 1; i++) {
  const u = randomUUID(),
    k = randomUUID(),
    a = randomUUID();
  await db.pool.query(`insert into "user"(id,email,password_hash) values($1,$2,'x')`, [u, `u${i}@x.y`]);
  await db.pool.query(
    `insert into api_key(id,user_id,name,prefix,last_four,secret_hash) values($1,$2,'k','p','l',$3)`,
    [k, u, randomBytes(32)],
  );
  await db.pool.query(`insert into account(id,kind,user_id,balance_nano_usd) values($1,'wallet',$2,1000000000000000)`, [
    a,
    u,
  ]);
  users.push({ a, k });
}
const instance = await openInstance(db);
const ledger = createLedger(db.pool, instance);
let n = 0;
const hex = () => {
  const t = Date.now().toString(16).padStart(12, "0");
  const r = randomBytes(10).toString("hex");
  return `${t.slice(0, 8)}-${t.slice(8)}-7${r.slice(0, 3)}-8${r.slice(3, 6)}-${r.slice(6, 18)}`;
};
async function one() {
  const { a, k } = users[0];
  const id = hex();
  const h = await ledger.hold({
    id,
    accountId: a,
    apiKeyId: k,
    priceVersionId: version,
    endpoint: "chat.completions",
    model: "gpt-4o-mini",
    inputTokensBound: 1000,
    amountNanoUsd: 300000n,
    minAmountNanoUsd: null,
  });
  if (h.outcome !== "held") throw new Error(h.outcome);
  await ledger.capture({
    id,
    costNanoUsd: 12345n,
    usage: { input: 200, cached_input: 0, cache_write: 0, output: 20 },
    basis: "exact",
    flags: [],
    servedModel: "gpt-4o-mini",
    serviceTier: "default",
    upstreamId: k,
    upstreamRequestId: "req_123456789",
    upstreamResponseId: "chatcmpl-123456789",
    status: 200,
    isStream: false,
    timeToFirstByteMs: 5,
    latencyMs: 7,
  });
  n++;
}
const pid = Number(readFileSync(folder + "/postgres/postmaster.pid", "utf8").split("\n")[0]);
import { execSync } from "node:child_process";
const cpu = () =>
  execSync(`ps -o pid= --ppid ${pid}`)
    .toString()
    .trim()
    .split(/\s+/)
    .map((p) => {
      try {
        const f = readFileSync(`/proc/${p}/stat`, "utf8").split(") ")[1].split(" ");
        return Number(f[11]) + Number(f[12]);
      } catch {
        return 0;
      }
    })
    .reduce((a, b) => a + b, 0) * 10;
async function run(conc, ms) {
  const until = Date.now() + ms;
  n = 0;
  const c0 = cpu(),
    u0 = process.cpuUsage();
  const t0 = performance.now();
  await Promise.all(
    Array.from({ length: conc }, async () => {
      while (Date.now() < until) await one();
    }),
  );
  const s = (performance.now() - t0) / 1000;
  const u = process.cpuUsage(u0);
  console.log(
    `conc ${conc}: ${Math.round(n / s)} pairs/s, db cpu ${Math.round(((cpu() - c0) * 1000) / n)} us, node cpu ${Math.round((u.user + u.system) / n)} us`,
  );
}
await run(64, 2000);
await run(64, 4000);
await run(64, 4000);
await run(8, 2000);
await run(1, 2000);
await db.close();
await server.stop();
execSync(`rm -rf ${folder}`);
