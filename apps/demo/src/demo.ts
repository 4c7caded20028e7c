/** A whole installation to try out: a fake OpenAI, a gateway on its own data folder, an owner, and a user with $5 and a key. */
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { startFakeOpenAi, type FakeOpenAi } from "./fake-openai.ts";
import { startGatewayProcess, type GatewayProcess } from "./gateway-process.ts";
import { createPerson, type Person } from "./person.ts";

type Demo = {
  web: string;
  api: string;
  apiKey: string;
  owner: { email: string; password: string };
  user: { email: string; password: string };
  upstream: string;
};

export type RunningDemo = Demo & {
  gateway: GatewayProcess;
  fake: FakeOpenAi;
  ownerSession: Person;
  userSession: Person;
  userId: string;
  dataFolder: string;
  stop(): Promise<void>;
};

export type DemoOptions = { port: string; apiPort: string; folder: string; balanceUsd?: string; upstreamUrl?: string };

const owner = { email: "owner@example.com", password: "demo-owner-password" };
const user = { email: "user@example.com", password: "demo-user-password" };

export async function startDemo(options: DemoOptions): Promise<RunningDemo> {
  mkdirSync(options.folder, { recursive: true });
  const dataFolder = mkdtempSync(path.join(options.folder, "demo-"));
  const fake = await startFakeOpenAi();
  const gateway = await startGatewayProcess({
    PORT: options.port,
    API_PORT: options.apiPort,
    HOST: "127.0.0.1",
    DATA_FOLDER: dataFolder,
    DATABASE_URL: "",
    PUBLIC_URL: "",
    SECRET_KEY: "",
  }).catch(async (error: unknown) => {
    await fake.stop();
    rmSync(dataFolder, { recursive: true, force: true });
    throw error;
  });
  const stop = async () => {
    await gateway.stop("SIGINT");
    await fake.stop();
    rmSync(dataFolder, { recursive: true, force: true });
  };
  try {
    const ownerSession = createPerson(gateway.web);
    await ownerSession.api.setup.complete.mutate({
      token: gateway.setupToken ?? "",
      owner,
      upstream: { baseUrl: options.upstreamUrl ?? fake.url, apiKey: "sk-fake-upstream-key", isPrivateAllowed: true },
      announcement: "",
      defaultBalanceUsd: "0",
      isRegistrationOpen: true,
    });
    const userSession = createPerson(gateway.web);
    await userSession.api.auth.register.mutate(user);
    const me = await userSession.api.auth.me.query();
    const userId = me?.id ?? "";
    await ownerSession.api.admin.users.adjustBalance.mutate({
      userId,
      amountUsd: options.balanceUsd ?? "5",
      isPaid: true,
      note: "demo",
      formId: randomUUID(),
    });
    const { secret } = await userSession.api.keys.create.mutate({ name: "demo" });
    const { web, api } = gateway;
    const demo = { web, api, apiKey: secret, owner, user, upstream: fake.url };
    return { ...demo, gateway, fake, ownerSession, userSession, userId, dataFolder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
