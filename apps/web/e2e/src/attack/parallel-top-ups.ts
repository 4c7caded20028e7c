/** An admin, or a script of theirs, credits one user many times at once while that user calls. */
import { randomUUID } from "node:crypto";
import { repeat, type Attack } from "./attack.ts";
import { callApi, mutate, scripted } from "./send.ts";

const everyMs = 400;
const burst = 6;
const atOnce = 12;
const callEveryMs = 500;

export const parallelTopUps: Attack = {
  name: "parallel top-ups",
  run: async ({ web, api, adminCookie }, { userId, apiKey }, round) => {
    const { signal } = round;
    const credit = () =>
      mutate(
        web,
        "admin.users.adjustBalance",
        { userId, amountUsd: "0.01", isPaid: false, note: "", formId: randomUUID() },
        { cookie: adminCookie, signal },
      );
    const call = async () =>
      `call ${await callApi(api, "/chat/completions", apiKey, { body: scripted("none"), signal })}`;
    await Promise.all([
      repeat(round, { everyMs, atOnce, burst }, credit),
      repeat(round, { everyMs: callEveryMs, atOnce }, call),
    ]);
  },
};
