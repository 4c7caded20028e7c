/** Cookies that another application on the same host may have set, and that no browser would. */
import { nth, repeat, type Attack } from "./attack.ts";
import { send } from "./send.ts";

const everyMs = 400;
const atOnce = 8;
const cookies = ["x=%", "theme=%E0%A4%A", "session=%", "language=%ff; x=%u1234", "=; ;;=", `x=${"%25".repeat(2_000)}`];
const paths = ["/login", "/dashboard", "/api/trpc/auth.me", "/", "/preferences"];

export const oddCookies: Attack = {
  name: "odd cookies",
  run: ({ web }, _user, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const cookie = nth(cookies, turn);
      return send(web + nth(paths, turn), {
        method: "GET",
        headers: { cookie },
        from: turn,
        signal: round.signal,
      });
    }),
};
