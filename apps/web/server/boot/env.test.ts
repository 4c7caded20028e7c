import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { envSchema, readEnv } from "./env.ts";

test("an empty environment gives the defaults", () => {
  expect(readEnv({}, "/srv/gateway")).toEqual({
    PORT: 3000,
    API_PORT: 8080,
    HOST: "0.0.0.0",
    DATA_FOLDER: "/srv/gateway/data",
    LEDGER_JOURNAL: "on",
    DATABASE_APP_ROLE: "on",
    ROLE: "all",
    TRUSTED_PROXIES: [],
    DRAIN_SECONDS: 120,
    LOG_LEVEL: "info",
    LOG_FORMAT: "text",
    METRICS_ADDRESSES: [],
  });
});

test("every wrong variable is named in one sentence", () => {
  const wrong = { PORT: "70000", DATABASE_URL: "mysql://x", SECRET_KEY: "short", LEDGER_JOURNAL: "yes" };
  expect(() => readEnv(wrong, "/")).toThrow(
    /^The environment is not usable: .*DATABASE_URL.*SECRET_KEY.*PORT.*LEDGER_JOURNAL must be on or off[^\n]*\.$/,
  );
});

test("one port for both the pages and the API is refused, unless the process serves one of them or any port does", () => {
  const same = { PORT: "4000", API_PORT: "4000" };
  expect(() => readEnv(same, "/")).toThrow("PORT and API_PORT are both 4000; the pages and the API need a port each.");
  for (const source of [
    { ...same, ROLE: "web" },
    { PORT: "0", API_PORT: "0" },
  ]) {
    expect(() => readEnv(source, "/")).not.toThrow();
  }
});

const readRoot = (file: string) => readFileSync(new URL(`../../../../${file}`, import.meta.url), "utf8");
const composeFiles = ["service.yaml", "compose.yaml", "compose.scale.yaml", "compose.demo.yaml"];
/** What whoever starts it again says to it is no variable of the operator's. */
const readByEnv = Object.keys(envSchema.shape).filter((name) => name !== "GATEWAY_PREVIOUS_EXIT");
const readByCompose = composeFiles.flatMap((file) =>
  [...readRoot(`docker/${file}`).matchAll(/\$\{([A-Z_]+)/g)].map((match) => match[1]!),
);

test(".env.example names exactly the variables that the gateway and docker compose read", () => {
  const named = [...readRoot(".env.example").matchAll(/^#?\s?([A-Z_]+)=/gm)].map((match) => match[1]);
  const read = new Set([...readByEnv, ...readByCompose, "COMPOSE_FILE", "COMPOSE_PROJECT_NAME"]);
  expect(named.toSorted()).toEqual([...read].toSorted());
});

test("docker compose sets or hands on every variable that the gateway reads", () => {
  const set = [...readRoot("docker/service.yaml").matchAll(/^ {6}([A-Z_]+):/gm)].map((match) => match[1]!);
  expect(readByEnv.filter((name) => name !== "ROLE" && !set.includes(name))).toEqual([]);
});

test("docker compose kills no process that still has time to drain", () => {
  const graceSeconds = Number(/STOP_GRACE_PERIOD:-(\d+)s/.exec(readRoot("docker/service.yaml"))?.[1]);
  expect(graceSeconds).toBeGreaterThanOrEqual(readEnv({}, "/").DRAIN_SECONDS + 20);
});

test("an address of the pages with a path is refused, and a slash at its end is none", () => {
  for (const PUBLIC_URL of ["https://x.example/gateway", "https://x.example/?a=1", "https://x.example/#a"]) {
    expect(() => readEnv({ PUBLIC_URL }, "/")).toThrow("PUBLIC_URL must have no path");
  }
  expect(readEnv({ PUBLIC_URL: "https://x.example/" }, "/").PUBLIC_URL).toBe("https://x.example");
});
