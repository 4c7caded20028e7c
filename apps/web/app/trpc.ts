/** The browser's own calls: figures that keep themselves fresh, details that are asked for, tests of a connection. */
import type { AppRouter } from "@codex-gateway/api";
import { QueryCache, QueryClient } from "@tanstack/react-query";
import { createTRPCClient, httpBatchLink, TRPCClientError } from "@trpc/client";
import { createTRPCContext } from "@trpc/tanstack-react-query";

export const { TRPCProvider, useTRPC } = createTRPCContext<AppRouter>();

export const createApiClient = () =>
  createTRPCClient<AppRouter>({ links: [httpBatchLink({ url: "/api/trpc", maxItems: 10 })] });

/** `onSessionOver`: what was asked for is no longer this browser's to see. */
export const createQueryClient = (onSessionOver: () => void) => {
  const onError = (error: unknown) => {
    if (isUnauthorized(error)) onSessionOver();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        retry: (failures, error) => failures < 1 && !isUnauthorized(error),
        refetchOnWindowFocus: true,
      },
    },
  });
};

const isUnauthorized = (error: unknown): boolean =>
  error instanceof TRPCClientError && (error.data as { code?: string } | null)?.code === "UNAUTHORIZED";
