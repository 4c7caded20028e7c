/** What a page shows where it cannot be shown: not found, forbidden, no database, a bug. */
import { isRouteErrorResponse, useRouteError } from "@remix-run/react";
import { useTexts } from "../i18n/use-texts";
import { Brand } from "./shell";
import { Button, LinkButton } from "./ui/button";

type Problem = { status: number; requestId: string | null };

function problemOf(error: unknown): Problem {
  if (!isRouteErrorResponse(error)) return { status: 500, requestId: null };
  const { requestId } = (typeof error.data === "object" && error.data !== null ? error.data : {}) as {
    requestId?: string;
  };
  return { status: error.status, requestId: requestId ?? null };
}

export function ErrorPage() {
  const t = useTexts();
  const { status, requestId } = problemOf(useRouteError());
  const [title, lead] =
    status === 404
      ? [t.errors.notFoundTitle, t.errors.notFound]
      : status === 403
        ? [t.errors.forbiddenTitle, t.errors.forbidden]
        : status === 503
          ? [t.errors.databaseTitle, t.errors.database]
          : [t.errors.bugTitle, t.errors.bug];
  return (
    <div className="flex min-h-screen flex-col">
      <header className="px-4 py-4 sm:px-6">
        <Brand />
      </header>
      <main className="mx-auto flex w-full max-w-md flex-1 flex-col justify-center px-4 pb-[20vh] text-center">
        <p className="text-sm font-medium text-muted tabular-nums">{status}</p>
        <h1 className="mt-2 text-2xl font-semibold tracking-tight">{title}</h1>
        <p className="mt-2 text-muted">{lead}</p>
        {requestId && (
          <p className="mt-3 text-sm text-muted">
            {t.errors.requestId}: <code className="font-mono select-all">{requestId}</code>
          </p>
        )}
        <div className="mt-6 flex justify-center gap-2">
          {status >= 500 && (
            <Button look="quiet" onClick={() => location.reload()}>
              {t.common.retry}
            </Button>
          )}
          <LinkButton to="/">{t.errors.home}</LinkButton>
        </div>
      </main>
    </div>
  );
}
