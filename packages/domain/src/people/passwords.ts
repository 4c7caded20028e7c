/** Passwords as Argon2id (https://cheatsheetseries.owasp.org, Password Storage): 19 MiB, two passes. */
import { hash, verify } from "@node-rs/argon2";

const options = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const maxAtOnce = 2;

let running = 0;
const waiting: (() => void)[] = [];

/** A hash takes 19 MiB and a core: at most two at a time, however many log in. */
async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (running >= maxAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    return await work();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

export const hashPassword = (password: string): Promise<string> => inTurn(() => hash(password, options));

let unknownUsersHash: Promise<string> | null = null;

/** Takes as long for an unknown user (`storedHash` null) as for a known one. */
export async function isPasswordOf(storedHash: string | null, password: string): Promise<boolean> {
  const against = storedHash ?? (await (unknownUsersHash ??= hashPassword("nobody's password")));
  const isRight = await inTurn(() => verify(against, password));
  return isRight && storedHash !== null;
}
