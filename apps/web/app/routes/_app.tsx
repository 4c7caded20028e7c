/** The frame of everything for people who are signed in. */
import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Outlet, useLoaderData } from "@remix-run/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { ErrorPage } from "../components/error-page";
import { Shell } from "../components/shell";
import { requireUser } from "../guards";
import { createApiClient, createQueryClient, TRPCProvider } from "../trpc";

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { user, headers } = await requireUser(request, context);
  return data({ user }, { headers });
}

export default function App() {
  const { user } = useLoaderData<typeof loader>();
  const [queryClient] = useState(createQueryClient);
  const [trpcClient] = useState(createApiClient);
  return (
    <QueryClientProvider client={queryClient}>
      <TRPCProvider trpcClient={trpcClient} queryClient={queryClient}>
        <Shell user={user}>
          <Outlet />
        </Shell>
      </TRPCProvider>
    </QueryClientProvider>
  );
}

export const ErrorBoundary = ErrorPage;
