/** A whole installation to try out: a fake OpenAI, a gateway on its own data folder, an owner, and a user with $5 and a key. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { startFakeOpenAi, type FakeOpenAi } from "./fake-openai.ts";
import { furnish, owner, user } from "./furnish.ts";
import { startGatewayProcess, type GatewayProcess } from "./gateway-process.ts";
import type { Person } from "./person.ts";

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
    const furnished = await furnish(gateway, {
      upstreamUrl: options.upstreamUrl ?? fake.url,
      balanceUsd: options.balanceUsd,
    });
    const { apiKey, ...sessions } = furnished;
    const { web, api } = gateway;
    const demo = { web, api, apiKey, owner, user, upstream: fake.url };
    return { ...demo, gateway, fake, ...sessions, dataFolder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
