import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { envSchema, readEnv } from "./env.ts";

test("an empty environment gives the defaults", () => {
  expect(readEnv({}, "/srv/gateway")).toEqual({
    PORT: 3000,
    API_PORT: 8080,
    HOST: "0.0.0.0",
    DATA_FOLDER: "/srv/gateway/data",
    ROLE: "all",
    TRUSTED_PROXIES: [],
    DRAIN_SECONDS: 120,
    LOG_LEVEL: "info",
    LOG_FORMAT: "text",
    METRICS_ADDRESSES: [],
  });
});

test("every wrong variable is named in one sentence", () => {
  expect(() => readEnv({ PORT: "70000", DATABASE_URL: "mysql://x", SECRET_KEY: "short" }, "/")).toThrow(
    /^The environment is not usable: .*DATABASE_URL.*SECRET_KEY.*PORT[^\n]*\.$/,
  );
});

test(".env.example names exactly the variables that are read", () => {
  const example = readFileSync(new URL("../../../.env.example", import.meta.url), "utf8");
  const named = [...example.matchAll(/^#?\s?([A-Z_]+)=/gm)].map((match) => match[1]);
  expect(named.toSorted()).toEqual(Object.keys(envSchema.shape).toSorted());
});
