/** What a page shows where it cannot be shown: not found, forbidden, no database, a bug. */
import { isRouteErrorResponse, useLocation, useRouteError } from "@remix-run/react";
import { LostConnectionError } from "../connection";
import { useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";
import { Brand } from "./shell";
import { LinkButton } from "./ui/button";

/** `status` null: no answer of the server's came whole. */
type Problem = { status: number | null; requestId: string | null };

/** As Chromium, Safari and Firefox say that a script did not come. */
const unloaded =
  /^(?:Failed to fetch|Load failed|Importing a module script failed|error loading dynamically|NetworkError)/;

const isUnloaded = (error: unknown): boolean =>
  error instanceof LostConnectionError || (error instanceof Error && unloaded.test(error.message));

function problemOf(error: unknown): Problem {
  if (isUnloaded(error)) return { status: null, requestId: null };
  if (!isRouteErrorResponse(error)) return { status: 500, requestId: null };
  const { requestId } = (typeof error.data === "object" && error.data !== null ? error.data : {}) as {
    requestId?: string;
  };
  return { status: error.status, requestId: requestId ?? null };
}

/** What a page says instead, where it knows why it is not there, and where it leads. */
type NotFound = { title: string; lead: string; link: { to: string; label: string } };

function textsOf({ status, requestId }: Problem, t: Texts): [title: string, lead: string] {
  switch (status) {
    case null:
      return [t.errors.offlineTitle, t.errors.offline];
    case 404:
      return [t.errors.notFoundTitle, t.errors.notFound];
    case 401:
    case 403:
      return [t.errors.forbiddenTitle, t.errors.forbidden];
    case 413:
      return [t.errors.tooLargeTitle, t.errors.tooLarge];
    case 429:
      return [t.errors.busyTitle, t.errors.busy];
    case 503:
      return [t.errors.databaseTitle, t.errors.database];
    default:
      if (status < 500) return [t.errors.badRequestTitle, t.errors.badRequest];
      // What failed in the browser is in no log.
      return [t.errors.bugTitle, requestId === null ? t.errors.broken : t.errors.bug];
  }
}

/** `isFramed` where it takes a page's place within the shell. */
export function ErrorPage({ isFramed = false, notFound }: { isFramed?: boolean; notFound?: NotFound }) {
  const t = useTexts();
  const { pathname, search } = useLocation();
  const Frame = isFramed ? "div" : "main";
  const problem = problemOf(useRouteError());
  const { status, requestId } = problem;
  const [title, lead] = status === 404 && notFound ? [notFound.title, notFound.lead] : textsOf(problem, t);
  const link = (status === 404 && notFound?.link) || { to: "/", label: t.errors.home };
  return (
    <div className={isFramed ? undefined : "flex min-h-screen flex-col"}>
      {!isFramed && (
        <header className="px-4 py-4 sm:px-6">
          <Brand />
        </header>
      )}
      <Frame className="mx-auto flex min-h-[70vh] w-full max-w-md flex-1 flex-col justify-center px-4 pb-[10vh] text-center">
        {status !== null && <p className="text-sm font-medium text-muted tabular-nums">{status}</p>}
        <h1 className="mt-2 text-2xl font-semibold tracking-tight">{title}</h1>
        <p className="mt-2 text-muted">{lead}</p>
        {requestId && (
          <p className="mt-3 text-sm text-muted">
            {t.errors.requestId}: <code className="font-mono select-all">{requestId}</code>
          </p>
        )}
        <div className="mt-6 flex justify-center gap-2">
          {(status === null || status >= 500) && (
            <LinkButton look="quiet" to={pathname + search} reloadDocument>
              {t.common.retry}
            </LinkButton>
          )}
          <LinkButton to={link.to}>{link.label}</LinkButton>
        </div>
      </Frame>
    </div>
  );
}
