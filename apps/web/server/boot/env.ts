/** The only reader of the process's environment. What an admin can change at run time is a setting, not a variable. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { OutboundProxy } from "@codex-gateway/gateway";
import { z } from "zod";
import { ConfigurationError } from "./configuration-error.ts";

const port = z.coerce.number("must be a number").int().min(0).max(65_535);
/** What docker compose hands on of a variable that nobody set is the empty word. */
const list = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((part) => part !== ""))
  .default([]);

const hasNoPath = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { pathname, search, hash } = new URL(text);
  return pathname === "/" && search === "" && hash === "";
};

export const envSchema = z.object({
  /** postgres:// or postgresql:// URL; unset: the embedded PostgreSQL under DATA_FOLDER. */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "must start with postgres:// or postgresql://")
    .optional(),
  /** As libpq reads it: the password of a DATABASE_URL that has none. */
  PGPASSWORD: z.string().optional(),
  /**
   * on: the gateway itself works as a role that can change neither the schema nor what is only added to; the user of
   * DATABASE_URL makes it. off: as that user. Unset: on with the embedded PostgreSQL, off with any other.
   */
  DATABASE_APP_ROLE: z.enum(["on", "off"], "must be on or off").optional(),
  /** At least 32 characters; unset: generated once into a 0600 file under DATA_FOLDER. */
  SECRET_KEY: z.string().min(32, "must have at least 32 characters").optional(),
  /** The secret key before this one, while it is being replaced. */
  SECRET_KEY_PREVIOUS: z.string().min(32, "must have at least 32 characters").optional(),
  /** Signs access tokens; by default a key derived from SECRET_KEY does. */
  JWT_SECRET: z.string().min(32, "must have at least 32 characters").optional(),
  /** The address browsers use, e.g. https://gateway.example.com; unset: http://localhost:PORT. */
  PUBLIC_URL: z
    .url("must be a URL such as https://gateway.example.com")
    .refine(hasNoPath, "must have no path: the pages lie at the root of their host")
    .transform((url) => new URL(url).origin)
    .optional(),
  /** The address that OpenAI clients use, ending in /v1; unset: API_PORT on the host of PUBLIC_URL. Only shown. */
  API_URL: z.url("must be a URL such as https://api.example.com/v1").optional(),
  /** web: the pages' port alone; api: the API's port alone; all: both. */
  ROLE: z.enum(["all", "web", "api"], "must be all, web or api").default("all"),
  /** Pages, tRPC and /v1. 0 picks a free port. */
  PORT: port.default(3000),
  /** /v1, the probes and the metrics. 0 picks a free port. */
  API_PORT: port.default(8080),
  HOST: z.string().min(1).default("0.0.0.0"),
  DATA_FOLDER: z.string().min(1).default("data"),
  /**
   * on: an answer ends when its charge is in a file under DATA_FOLDER; off: when it is in the database. Unset: on with the
   * embedded PostgreSQL, whose folder that is as well.
   */
  LEDGER_JOURNAL: z.enum(["on", "off"], "must be on or off").optional(),
  /** Addresses or networks (CIDR) of proxies in front; only their word counts for whom a request comes from. */
  TRUSTED_PROXIES: list,
  /** How long a stop waits for the calls under way, in seconds. */
  DRAIN_SECONDS: z.coerce.number("must be a number").min(0).max(3_600).default(120),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error").default("info"),
  /** text: sentences for a person at the start, then JSON lines; json: nothing but JSON lines. */
  LOG_FORMAT: z.enum(["text", "json"], "must be text or json").default("text"),
  /** Bearer token that may read /metrics; from METRICS_ADDRESSES it may be read without. */
  METRICS_TOKEN: z.string().min(16, "must have at least 16 characters").optional(),
  /** Addresses or networks (CIDR) that may read /metrics without a token. */
  METRICS_ADDRESSES: list,
  /** Set by whoever starts the gateway again after it has died: the signal that ended it, or its exit code. */
  GATEWAY_PREVIOUS_EXIT: z
    .string()
    .regex(/^(SIG[A-Z0-9]{1,10}|\d{1,3})$/)
    .optional()
    .catch(undefined),
  /**
   * Proxies that calls to upstreams go through, http://user:password@host:port; NO_PROXY: hosts that are reached without.
   * Small letters count as well.
   */
  HTTPS_PROXY: z.url("must be a URL such as http://proxy.example.com:3128").optional(),
  HTTP_PROXY: z.url("must be a URL such as http://proxy.example.com:3128").optional(),
  NO_PROXY: z.string().optional(),
  /** Where traces are sent, e.g. http://localhost:4318; unset: nowhere. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url("must be a URL such as http://localhost:4318").optional(),
});

type OnOff = "on" | "off";
export type Env = z.infer<typeof envSchema> & { LEDGER_JOURNAL: OnOff; DATABASE_APP_ROLE: OnOff };

/** Null where calls go to their upstreams directly. */
export const outboundProxyOf = ({ HTTPS_PROXY, HTTP_PROXY, NO_PROXY }: Env): OutboundProxy | null =>
  HTTPS_PROXY || HTTP_PROXY
    ? {
        ...(HTTPS_PROXY ? { httpsProxy: HTTPS_PROXY } : {}),
        ...(HTTP_PROXY ? { httpProxy: HTTP_PROXY } : {}),
        noProxy: NO_PROXY ?? "",
      }
    : null;

/** Whoever shares the folder settles what dead processes have left in it. */
export const spoolFolderOf = (env: Pick<Env, "DATA_FOLDER">): string => path.join(env.DATA_FOLDER, "spool");

/** Takes what `.env` in the root folder says, where the environment itself does not say otherwise. */
export function loadDotEnv(rootFolder: string): void {
  const file = path.join(rootFolder, ".env");
  if (existsSync(file)) process.loadEnvFile(file);
}

/**
 * Reads and checks the environment; an empty value counts as unset. Relative folders are taken from `baseFolder`.
 * @throws Error with one sentence that names every variable that is wrong.
 */
export function readEnv(source: Readonly<Record<string, string | undefined>>, baseFolder: string): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  for (const name of ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"]) given[name] ??= given[name.toLowerCase()];
  const parsed = envSchema.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new ConfigurationError(`The environment is not usable: ${faults.join("; ")}.`);
  }
  const { ROLE, PORT, API_PORT } = parsed.data;
  if (ROLE === "all" && PORT === API_PORT && PORT !== 0) {
    throw new ConfigurationError(`PORT and API_PORT are both ${PORT}; the pages and the API need a port each.`);
  }
  return {
    ...parsed.data,
    DATA_FOLDER: path.resolve(baseFolder, parsed.data.DATA_FOLDER),
    DATABASE_APP_ROLE: parsed.data.DATABASE_APP_ROLE ?? (parsed.data.DATABASE_URL ? "off" : "on"),
    LEDGER_JOURNAL: parsed.data.LEDGER_JOURNAL ?? (parsed.data.DATABASE_URL ? "off" : "on"),
  };
}
