/** A gateway that is about to be attacked: honest people with money, one attacker per attack, and an upstream with scripts. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { createPerson, type Person } from "@codex-gateway/demo";
import type { AttackingUser, Target } from "./attack/attack.ts";
import { startInstallation, type Installation } from "./installation.ts";

const attackProgram = (name: string) => fileURLToPath(new URL(`../dist/attack/${name}.js`, import.meta.url));
const password = "password-of-somebody";
/** What is to stop waits for no socket that nobody reads. */
const stopWithinMs = 20_000;

type Honest = { apiKey: string; userId: string; email: string; password: string; cookie: string };

export type AttackedGateway = {
  installation: Installation;
  web: string;
  api: string;
  upstreamUrl: string;
  pid: number;
  honest: Honest;
  owner: Person;
  /** What an attacker is told; one user per name. */
  target(names: readonly string[]): Promise<Target>;
  /** The exit code; null where it had to be killed. */
  stop(): Promise<number | null>;
};

export type AttackReport = {
  reports: { name: string; outcomes: Record<string, number> }[];
  /** Of the attacker's own CPU, in cores. */
  coreShare: number;
};

/** "localhost" is two addresses, and attackers come from 127.0.1.x. */
const onLoopback = (url: string) => url.replace("localhost", "127.0.0.1");

export async function startAttackedGateway(): Promise<AttackedGateway> {
  const upstream = await startUpstream();
  const installation = await startInstallation("attacked", { own: { LEDGER_JOURNAL: "on" } });
  const { gateway, postgres } = installation;
  const [web, api] = [onLoopback(gateway.web), onLoopback(gateway.api)];
  const owner = createPerson(web);
  await owner.api.setup.complete.mutate({
    token: gateway.setupToken ?? "",
    owner: { email: "owner@example.com", password },
    upstream: { baseUrl: upstream.url, apiKey: "sk-upstream-key", isPrivateAllowed: true },
    announcement: "",
    defaultBalanceUsd: "0",
    isRegistrationOpen: true,
  });
  const aUser = async (email: string): Promise<AttackingUser> => {
    const person = createPerson(web);
    await person.api.auth.register.mutate({ email, password });
    const userId = (await person.api.auth.me.query())?.id ?? "";
    const formId = randomUUID();
    await owner.api.admin.users.adjustBalance.mutate({ userId, amountUsd: "1000", isPaid: true, note: "", formId });
    const { secret } = await person.api.keys.create.mutate({ name: "key" });
    return { userId, email, password, apiKey: secret, cookie: person.cookie() };
  };
  const honest = await aUser("honest@example.com");
  return {
    installation,
    web,
    api,
    upstreamUrl: upstream.url,
    pid: gateway.child.pid ?? 0,
    honest,
    owner,
    target: async (names) => {
      const users: Record<string, AttackingUser> = {};
      for (const name of names) users[name] = await aUser(`${randomUUID()}@example.com`);
      const { url: databaseUrl } = postgres;
      return { web, api, databaseUrl, victimEmail: honest.email, adminCookie: owner.cookie(), users };
    },
    stop: async () => {
      const overdue = setTimeout(() => gateway.child.kill("SIGKILL"), stopWithinMs);
      const code = await gateway.stop();
      clearTimeout(overdue);
      await installation.stop();
      upstream.child.kill("SIGKILL");
      return code;
    },
  };
}

function startUpstream(): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [attackProgram("upstream")], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("The upstream ended.")));
    child.stdout.on("data", (text: Buffer) => {
      const port = /PORT (\d+)/.exec(text.toString())?.[1];
      if (port) resolve({ url: `http://127.0.0.1:${port}/v1`, child });
    });
  });
}

/** Runs the attacks in a process of its own; resolves with its report when it has ended. */
export function runAttacks(target: Target, names: readonly string[], seconds: number): Promise<AttackReport> {
  const child = spawn(process.execPath, [attackProgram("main")], {
    env: { ...process.env, ATTACK: JSON.stringify({ target, names, seconds }) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  const overdue = setTimeout(() => child.kill("SIGKILL"), (seconds + 30) * 1_000);
  return new Promise((resolve, reject) => {
    child.once("close", (code, signal) => {
      clearTimeout(overdue);
      if (code === 0) resolve(JSON.parse(output.trim().split("\n").at(-1) ?? "") as AttackReport);
      else reject(new Error(`The attacker ended with ${code ?? signal ?? ""}.`));
    });
  });
}
