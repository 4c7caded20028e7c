/** Links that log somebody in without a password, each once. They are in no build: only the development server has them. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Sessions } from "@codex-gateway/domain";

const path = "/dev/login";

export type LoginLinks = {
  /** Returns the path and query of a new link. */
  create(userId: string): string;
  /** Answers a request for a link; false where the address is another one. */
  answer(req: IncomingMessage, res: ServerResponse): boolean;
};

export function createLoginLinks(sessions: Sessions): LoginLinks {
  const userIds = new Map<string, string>();

  async function logIn(token: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const userId = userIds.get(token);
    if (userId === undefined) {
      res
        .writeHead(410, { "content-type": "text/plain" })
        .end("This link was used already; start `npm run dev` again.");
      return;
    }
    userIds.delete(token);
    const userAgent = req.headers["user-agent"] ?? "";
    const session = await sessions.createSession(userId, { userAgent, address: req.socket.remoteAddress ?? "" });
    const cookie = sessions.createSessionCookie(session.id).serialize();
    res.writeHead(303, { location: "/", "set-cookie": cookie, "cache-control": "no-store" }).end();
  }

  return {
    create: (userId) => {
      const token = randomBytes(24).toString("base64url");
      userIds.set(token, userId);
      return `${path}?token=${token}`;
    },
    answer: (req, res) => {
      const url = new URL(req.url ?? "/", "http://localhost");
      if (url.pathname !== path) return false;
      logIn(url.searchParams.get("token") ?? "", req, res).catch((error: unknown) => {
        res.writeHead(500, { "content-type": "text/plain" }).end((error as Error).message);
      });
      return true;
    },
  };
}
