/** What people who attack nobody notice: calls whole and streamed at a steady rate, pages, log-ins, and the time they take. */
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { AttackedGateway } from "./attacked-gateway.ts";

const callEveryMs = 50;
const pageEveryMs = 250;
const logInEveryMs = 3_000;
const probeEveryMs = 50;
const directEveryMs = 100;
const patienceMs = 30_000;

type Timing = { count: number; p50Ms: number; p99Ms: number; maxMs: number };
export type HonestFigures = {
  whole: Timing;
  streamed: Timing;
  pages: Timing;
  logIns: Timing;
  /** /healthz needs nothing but a turn of the event loop. */
  probes: Timing;
  /** The same calls at the upstream itself: how slow the machine is, whatever the gateway does. */
  direct: Timing;
  /** What went wrong, by what and how, with how often. */
  failures: Record<string, number>;
};

type Asked = { method?: string; headers?: Record<string, string>; body?: string; agent: Agent | false };
type Answer = { status: number; text: string };

function ask(url: string, { method = "GET", headers = {}, body, agent }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent, signal: AbortSignal.timeout(patienceMs) }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const bodyOf = (isStream: boolean) =>
  JSON.stringify({
    model: "gpt-4o-mini",
    max_tokens: 50,
    stream: isStream,
    messages: [{ role: "user", content: "Hello" }],
  });
const isWhole = ({ status, text }: Answer) =>
  status === 200 && (text.endsWith("data: [DONE]\n\n") || (text.endsWith("}") && text.includes('"usage"')));

/** A request every `everyMs`, whether those before have been answered or not; resolves when all of them have. */
async function steadily(everyMs: number, untilMs: number, work: (turn: number) => Promise<void>): Promise<void> {
  const running: Promise<void>[] = [];
  for (let atMs = performance.now(), turn = 0; atMs < untilMs; atMs += everyMs, turn++) {
    await sleep(Math.max(0, atMs - performance.now()));
    running.push(work(turn));
  }
  await Promise.all(running);
}

function timingOf(tookMs: number[]): Timing {
  const sorted = [...tookMs].sort((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** Lives beside whatever else happens to the gateway, for so many seconds. */
export async function liveHonestly(
  gateway: AttackedGateway,
  attackers: string[],
  seconds: number,
): Promise<HonestFigures> {
  const { web, api, honest, owner, upstreamUrl } = gateway;
  const kept = new Agent({ keepAlive: true });
  const untilMs = performance.now() + seconds * 1_000;
  const took = { whole: [], streamed: [], pages: [], logIns: [], probes: [], direct: [] } as Record<Kind, number[]>;
  const failures: Record<string, number> = {};
  type Kind = Exclude<keyof HonestFigures, "failures">;

  async function measure(kind: Kind, name: string, work: () => Promise<{ answer: Answer; isGood: boolean }>) {
    const startedAtMs = performance.now();
    const fault = await work().then(
      ({ answer, isGood }) =>
        isGood ? null : `${answer.status} ${/"code": ?"(\w+)"/.exec(answer.text)?.[1] ?? ""}`.trim(),
      (error: unknown) => (error as { code?: string }).code ?? (error as Error).name,
    );
    if (fault === null) took[kind].push(performance.now() - startedAtMs);
    else failures[`${name}: ${fault}`] = (failures[`${name}: ${fault}`] ?? 0) + 1;
  }

  const call = (turn: number) => {
    const isStream = turn % 2 === 1;
    // Some at the pages' port, and some on a connection of their own: both must be had.
    const base = turn % 8 === 6 ? `${web}/v1` : api;
    const agent = turn % 5 === 4 ? false : kept;
    const headers = { authorization: `Bearer ${honest.apiKey}`, "content-type": "application/json" };
    return measure(isStream ? "streamed" : "whole", isStream ? "streamed call" : "whole call", async () => {
      const answer = await ask(`${base}/chat/completions`, { method: "POST", headers, body: bodyOf(isStream), agent });
      return { answer, isGood: isWhole(answer) };
    });
  };

  const looks = [
    { path: "/login", cookie: "" },
    { path: "/dashboard", cookie: honest.cookie },
    { path: "/usage", cookie: honest.cookie },
    ...attackers.map((userId) => ({ path: `/admin/users/${userId}`, cookie: owner.cookie() })),
  ];
  const look = (turn: number) => {
    const { path, cookie } = looks[turn % looks.length] ?? { path: "", cookie: "" };
    return measure("pages", `page ${path.replace(/[\w-]{36}/, "…")}`, async () => {
      const answer = await ask(web + path, { headers: { cookie }, agent: kept });
      return { answer, isGood: answer.status === 200 && answer.text.includes("</html>") };
    });
  };
  const logIn = () =>
    measure("logIns", "log-in", async () => {
      const body = JSON.stringify({ email: honest.email, password: honest.password });
      const headers = { origin: web, "content-type": "application/json" };
      const answer = await ask(`${web}/api/trpc/auth.login`, { method: "POST", headers, body, agent: kept });
      return { answer, isGood: answer.status === 200 };
    });
  const probe = () =>
    measure("probes", "/healthz", async () => {
      const answer = await ask(`${api.slice(0, -"/v1".length)}/healthz`, { agent: kept });
      return { answer, isGood: answer.status === 200 };
    });

  const callDirectly = (turn: number) =>
    measure("direct", "call of the upstream itself", async () => {
      const isStream = turn % 2 === 1;
      const url = `${upstreamUrl}/chat/completions`;
      const answer = await ask(url, { method: "POST", body: bodyOf(isStream), agent: kept });
      return { answer, isGood: isWhole(answer) };
    });

  await Promise.all([
    steadily(callEveryMs, untilMs, call),
    steadily(pageEveryMs, untilMs, look),
    steadily(logInEveryMs, untilMs, logIn),
    steadily(probeEveryMs, untilMs, probe),
    steadily(directEveryMs, untilMs, callDirectly),
  ]);
  kept.destroy();
  const figures = Object.fromEntries(Object.entries(took).map(([kind, tookMs]) => [kind, timingOf(tookMs)]));
  return { ...(figures as Record<Kind, Timing>), failures };
}
