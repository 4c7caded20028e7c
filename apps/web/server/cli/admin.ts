/** npm run admin -- COMMAND: for whoever runs the gateway and cannot get in by its pages. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { findSchemaFolders, migrate, requireNobodyRuns, type Database } from "@codex-gateway/db";
import {
  AppError,
  countOnPreviousSecret,
  createOwner,
  credentialsSchema,
  hasOwner,
  importPrices,
  reencrypt,
  resetPassword,
  setFirstUpstream,
  writeSecretKeyId,
} from "@codex-gateway/domain";
import { runCommand, type CommandParts } from "./command.ts";
import { findDatabaseOf } from "../boot/database-of.ts";
import { headsFolderOf, keepRestore } from "../jobs/kept-heads.ts";
import { existingSecrets, forgetPreviousSecretKeyFile, replaceSecretKeyFile, secretsOf } from "../boot/secret-key.ts";
import { issuedSetupLink, issueSetupLink } from "../boot/setup-link.ts";

const usage = `npm run admin -- COMMAND

  create-owner EMAIL           makes the first owner without the wizard
  reset-password EMAIL         gives a user a new password and ends their sessions
  import-prices FILE           proposes prices of LiteLLM's list (or its URL, or - for standard input)
  set-upstream URL             sets the first upstream's address and key
  setup-link                   prints the link to the wizard, while there is no owner
  rotate-secret-key            replaces the generated secret key; the gateway must be stopped
  secret-key-status            says how many keys and codes still need the one before
  note-restore TIME            the database is a backup of that time, read by other tools than restore
  forget-secret-key            ends the replacement: what was not used since stops working

  --stdin                      reads the password, or the upstream's key, from standard input;
                               otherwise a password is made and printed
  --allow-private              set-upstream: the address may be private or plain http
  --provider NAME              import-prices: whose of the list; openai where it is not said`;

type Command = (parts: CommandParts & { database: Database; argument: string; options: Options }) => Promise<string>;
type Options = { stdin: boolean; isPrivateAllowed: boolean; provider: string };

const commands: Readonly<Record<string, { takes: string | null; run: Command } | undefined>> = {
  "create-owner": {
    takes: "EMAIL",
    run: async ({ database, argument, options }) => {
      const { credentials, said } = await credentialsOf(argument, options);
      await createOwner(database, credentials);
      return `${credentials.email} is the owner.${said}`;
    },
  },
  "reset-password": {
    takes: "EMAIL",
    run: async ({ database, argument, options }) => {
      const { credentials, said } = await credentialsOf(argument, options);
      await resetPassword(database, credentials);
      return `${credentials.email} has a new password, and no session any more.${said}`;
    },
  },
  "note-restore": {
    takes: "TIME",
    run: ({ env, argument }) => {
      const [time, secrets] = [new Date(argument), existingSecrets(env)];
      if (Number.isNaN(time.getTime())) throw new Error("Give the backup's time, such as 2026-11-28T03:17:00Z.");
      if (!secrets) throw new Error("There is no secret key; set SECRET_KEY to the gateway's.");
      keepRestore(headsFolderOf(env.DATA_FOLDER), secrets, time);
      return Promise.resolve(`What was kept of the books after ${time.toISOString()} counts no more.`);
    },
  },
  "set-upstream": {
    takes: "URL",
    run: async ({ env, database, argument, options }) => {
      if (!options.stdin) throw new Error("Give the upstream's key on standard input, with --stdin.");
      const apiKey = await readStdin("key");
      const { isPrivateAllowed } = options;
      const upstream = { baseUrl: argument, apiKey, isPrivateAllowed };
      await setFirstUpstream(database, await secretsOf(database, env), upstream).catch(inOptions);
      return `Calls go to ${argument}, with the key that ends in ${apiKey.slice(-4)}.`;
    },
  },
  "import-prices": {
    takes: "FILE",
    run: async ({ database, argument, options }) => {
      const { provider } = options;
      const { models, skipped } = await importPrices(database, {
        text: await readPriceList(argument),
        provider,
        source: argument,
        actor: { userId: null, email: null, address: "" },
      });
      const left = skipped.map(({ model, reason }) => `\n  ${model}: ${reason}`).join("");
      const said = skipped.length > 0 ? ` ${skipped.length} could not be read:${left}` : "";
      return `Prices of ${models} models are proposed, on the page Prices, Published price changes.${said}`;
    },
  },
  "setup-link": {
    takes: null,
    run: async ({ env, database }) => {
      if (await hasOwner(database)) throw new Error("There is an owner already, so that there is nothing to set up.");
      const publicUrl = env.PUBLIC_URL ?? `http://localhost:${env.PORT}`;
      return issuedSetupLink(env.DATA_FOLDER) ?? (await issueSetupLink(database, env.DATA_FOLDER, publicUrl)) ?? "";
    },
  },
  "rotate-secret-key": {
    takes: null,
    run: async ({ env, database }) => {
      if (env.SECRET_KEY && !env.SECRET_KEY_PREVIOUS) {
        throw new Error("SECRET_KEY is given: move it to SECRET_KEY_PREVIOUS, set a new one, and start the gateway.");
      }
      await requireNobodyRuns(database.pool);
      if (!env.SECRET_KEY) replaceSecretKeyFile(env.DATA_FOLDER);
      const secrets = await secretsOf(database, env);
      const count = await reencrypt(database, secrets);
      await writeSecretKeyId(database, secrets.id);
      return `The secret key is replaced; values encrypted anew: ${count}. Keys follow as they are used.`;
    },
  },
  "secret-key-status": {
    takes: null,
    run: async ({ env, database }) => {
      if (!existingSecrets(env)?.previous) return "No secret key is being replaced.";
      const { keys, codes } = (await countOnPreviousSecret(database)) ?? { keys: 0, codes: 0 };
      return `${keys} API keys and ${codes} redeem codes were not used since, and still need the secret key before this one.`;
    },
  },
  "forget-secret-key": {
    takes: null,
    run: ({ env }) => {
      forgetPreviousSecretKeyFile(env.DATA_FOLDER);
      return Promise.resolve("The secret key before this one is gone; restart the gateway.");
    },
  },
};

await runCommand(async (parts) => {
  const { values, positionals } = readArguments();
  const [name = "", argument = ""] = positionals;
  const command = commands[name];
  if (values.help || name === "") {
    console.log(usage);
    return values.help ? 0 : 1;
  }
  if (!command) throw new Error(`Unknown command ${name}; there are ${Object.keys(commands).join(", ")}.`);
  if (command.takes !== null && argument === "") throw new Error(`${name} needs ${command.takes}.`);
  const { database } = await findDatabaseOf(parts.env, parts.undo, { mayCreate: true });
  await migrate(database.pool, findSchemaFolders(parts.rootFolder));
  const options = {
    stdin: values.stdin ?? false,
    isPrivateAllowed: values["allow-private"] ?? false,
    provider: values.provider ?? "openai",
  };
  console.log(await command.run({ ...parts, database, argument, options }));
  return 0;
});

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        stdin: { type: "boolean" },
        "allow-private": { type: "boolean" },
        provider: { type: "string" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    const [fault] = (error as Error).message.split(". ");
    throw new Error(`${fault}; npm run admin -- --help lists what there is.`, { cause: error });
  }
}

/** What a setting allows in the pages, an option allows here. */
function inOptions(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  throw new Error(error.message.replace("a setting allows", "--allow-private allows"), { cause: error });
}

async function readStdin(what: string): Promise<string> {
  const given = (await text(process.stdin)).trim();
  if (given === "") throw new Error(`No ${what} came on standard input.`);
  return given;
}

const maxPriceListBytes = 32 * 1024 * 1024;

/** A file's, an address's or standard input's text. @throws Error with one sentence */
async function readPriceList(from: string): Promise<string> {
  if (from === "-") return readStdin("price list");
  if (!/^https?:\/\//.test(from)) {
    return readFile(from, "utf8").catch((error: unknown) => {
      throw new Error(`${from} cannot be read: ${(error as Error).message}.`, { cause: error });
    });
  }
  const response = await fetch(from, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`${from} answers ${response.status}.`);
  const list = await response.text();
  if (list.length > maxPriceListBytes) throw new Error(`${from} is larger than a list of prices can be.`);
  return list;
}

async function credentialsOf(email: string, { stdin }: Options) {
  const password = stdin ? await readStdin("password") : randomBytes(12).toString("base64url");
  const parsed = credentialsSchema.safeParse({ email, password });
  if (!parsed.success) throw new Error(parsed.error.issues.map(({ message }) => message).join(" "));
  return { credentials: parsed.data, said: stdin ? "" : ` Password: ${password}` };
}
