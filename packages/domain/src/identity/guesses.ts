/**
 * Guesses at passwords. Only failures count: an attempt is counted before it is made, since many can be made at once, and
 * taken back where it was none. Ten wrong ones by strangers slow down what strangers may try at an account, and shut
 * nobody out who has logged in to it from the same browser or network before.
 */
import { RateLimiterRes } from "rate-limiter-flexible";
import type { ClientNetwork } from "../security/client-network.ts";
import { tooManyAttempts, type Throttles } from "./throttles.ts";

type Guess = {
  /** The e-mail address, whether or not somebody has it. */
  account: string;
  client: ClientNetwork;
  /** The browser or the session that the account's owner was seen with; null: none. */
  known: string | null;
  /** Whether the account was logged in to from this network before. */
  isKnownNetwork: boolean;
};

type CountedGuess = {
  /** Strangers have tried this account so often that the guess is not to be looked at: it is answered as a wrong one. */
  isIgnored: boolean;
  /** Takes the attempt back: it was right, or it was not made. */
  forgive(): Promise<void>;
};

const firstPauseSeconds = 5;
const longestPauseSeconds = 60;

/** @throws AppError `too_many_attempts` where this client, or this network, has failed too often */
export async function countGuess(throttles: Throttles, guess: Guess): Promise<CountedGuess> {
  const { account, client, known, isKnownNetwork } = guess;
  const counted: (() => Promise<unknown>)[] = [];
  const count: Count = async (limiter, key) => {
    await limiter.consume(key);
    counted.push(() => limiter.reward(key));
  };
  const forgive = async () => {
    await Promise.all(counted.splice(0).map((takeBack) => takeBack()));
  };
  try {
    // A browser that has logged in before is judged by its own failures alone, whoever else is at its address.
    if (known === null) {
      await count(throttles.perAddress, client.network);
      if (client.site !== null) await count(throttles.perSite, client.site);
    }
    await count(throttles.perClient, `${account}|${known ?? client.network}`);
    const isStranger = known === null && !isKnownNetwork;
    return { isIgnored: isStranger && (await isTooMuchOfStrangers(throttles, account, count)), forgive };
  } catch (error) {
    await forgive();
    throw tooManyAttempts(error);
  }
}

type Count = (limiter: Throttles["perClient"], key: string) => Promise<void>;

/** The first ten in a quarter of an hour are looked at, and then one per pause: 5 s, and longer with every ten. */
async function isTooMuchOfStrangers(
  { perAccount, perAccountSlow }: Throttles,
  account: string,
  count: Count,
): Promise<boolean> {
  try {
    await count(perAccount, account);
    return false;
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    const tens = Math.floor(error.consumedPoints / perAccount.points);
    const customDuration = Math.min(longestPauseSeconds, firstPauseSeconds * tens);
    return perAccountSlow.consume(account, 1, { customDuration }).then(
      () => false,
      (refusal: unknown) => {
        if (refusal instanceof RateLimiterRes) return true;
        throw refusal;
      },
    );
  }
}
