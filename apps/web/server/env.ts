/** The only reader of the process's environment. What an admin can change at run time is a setting, not a variable. */
import path from "node:path";
import { z } from "zod";

const port = z.coerce.number().int().min(0).max(65_535);

export const envSchema = z.object({
  /** postgres:// or postgresql:// URL; unset: the embedded PostgreSQL under DATA_FOLDER. */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "must start with postgres:// or postgresql://")
    .optional(),
  /** At least 32 characters; unset: generated once into a 0600 file under DATA_FOLDER. */
  SECRET_KEY: z.string().min(32, "must have at least 32 characters").optional(),
  /** The address browsers use, e.g. https://gateway.example.com; unset: http://localhost:PORT. */
  PUBLIC_URL: z.url("must be a URL such as https://gateway.example.com").optional(),
  /** The address that OpenAI clients use, ending in /v1; unset: API_PORT on the host of PUBLIC_URL. Only shown. */
  API_URL: z.url("must be a URL such as https://api.example.com/v1").optional(),
  /** Pages, tRPC and /v1. 0 picks a free port. */
  PORT: port.default(3000),
  /** /v1 and the probes. 0 picks a free port. */
  API_PORT: port.default(8080),
  HOST: z.string().min(1).default("0.0.0.0"),
  DATA_FOLDER: z.string().min(1).default("data"),
});

export type Env = z.infer<typeof envSchema>;

/**
 * Reads and checks the environment; an empty value counts as unset. Relative folders are taken from `baseFolder`.
 * @throws Error with one sentence that names every variable that is wrong.
 */
export function readEnv(source: Readonly<Record<string, string | undefined>>, baseFolder: string): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  const parsed = envSchema.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new Error(`The environment is not usable: ${faults.join("; ")}.`);
  }
  return { ...parsed.data, DATA_FOLDER: path.resolve(baseFolder, parsed.data.DATA_FOLDER) };
}
