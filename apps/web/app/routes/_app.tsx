/** The frame of everything for people who are signed in. */
import type { SessionUser } from "@codex-gateway/api";
import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Outlet, useLoaderData, useRevalidator, useRouteLoaderData } from "@remix-run/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { ErrorPage } from "../components/error-page";
import { Shell } from "../components/shell";
import { requireUser } from "../guards";
import { usePreferences } from "../i18n/use-texts";
import { rememberTimeZone } from "../preferences";
import { createApiClient, createQueryClient, TRPCProvider } from "../trpc";

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { user, headers } = await requireUser(request, context);
  return data({ user }, { headers });
}

export default function App() {
  const { user } = useLoaderData<typeof loader>();
  const { timeZone } = usePreferences();
  const { revalidate } = useRevalidator();
  // Only here does a page show times: a form on another page that is sent at once would break the reload off.
  useEffect(() => {
    if (rememberTimeZone(timeZone)) revalidate();
  }, [timeZone, revalidate]);
  return (
    <Frame user={user}>
      <Outlet />
    </Frame>
  );
}

/** What fails within the frame leaves the frame as it is: one can go elsewhere, or try again. */
export function ErrorBoundary() {
  const loaded = useRouteLoaderData<typeof loader>("routes/_app");
  return loaded ? (
    <Frame user={loaded.user}>
      <ErrorPage isFramed />
    </Frame>
  ) : (
    <ErrorPage />
  );
}

function Frame({ user, children }: { user: SessionUser; children: ReactNode }) {
  const { revalidate } = useRevalidator();
  const asks = useRef(revalidate);
  asks.current = revalidate;
  // The page asks anew who looks at it, and whose session has ended is led to the log-in.
  const [queryClient] = useState(() => createQueryClient(() => asks.current()));
  const [trpcClient] = useState(createApiClient);
  return (
    <QueryClientProvider client={queryClient}>
      <TRPCProvider trpcClient={trpcClient} queryClient={queryClient}>
        <Shell user={user}>{children}</Shell>
      </TRPCProvider>
    </QueryClientProvider>
  );
}
