/** Somebody with a browser session of their own, who calls the typed procedures. */
import type { AppRouter } from "@codex-gateway/api";
import { createTRPCClient, httpLink, type TRPCClient } from "@trpc/client";

export type Person = { api: TRPCClient<AppRouter>; cookie(): string };

export function createPerson(web: string): Person {
  let cookie = "";
  const api = createTRPCClient<AppRouter>({
    links: [
      httpLink({
        url: `${web}/api/trpc`,
        headers: () => ({ origin: web, cookie }),
        fetch: async (url: string | URL | Request, init) => {
          const response = await fetch(url, init);
          const [set] = response.headers.getSetCookie();
          if (set) cookie = set.split(";")[0] ?? "";
          return response;
        },
      }),
    ],
  });
  return { api, cookie: () => cookie };
}
