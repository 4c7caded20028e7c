/** In the place of a route's own `clientAction`: a form whose answer does not come stays as it is, and says why. */
import { isRouteErrorResponse, type ClientActionFunctionArgs } from "@remix-run/react";
import { LostConnectionError } from "./connection";
import type { Fault } from "./guards";
import { textsOf } from "./i18n/use-texts";
import type { Texts } from "./i18n/zh";

/** What the form is answered with in the place of its action's answer. */
type Unanswered = { fault: Fault; intent: string };

/** What leads elsewhere, and what may not be seen, goes on; a form that could not be dealt with keeps what was typed. */
export async function keepForm({ request, serverAction }: ClientActionFunctionArgs): Promise<unknown> {
  const form = await request.clone().formData();
  try {
    return await serverAction();
  } catch (error) {
    const message = messageOf(error);
    if (message === null) throw error;
    const intent = form.get("intent");
    return { fault: { message, fields: {} }, intent: typeof intent === "string" ? intent : "" } satisfies Unanswered;
  }
}

/** Null for what a page has to say. */
function messageOf(error: unknown): string | null {
  const t = textsOf(document.documentElement.lang);
  if (error instanceof LostConnectionError) return t.errors.lost;
  if (!isRouteErrorResponse(error)) return null;
  switch (error.status) {
    case 400:
      return t.errors.badRequest;
    case 413:
      return t.errors.tooLarge;
    case 429:
      return t.errors.busy;
    case 503:
      return t.errors.database;
    default:
      return error.status >= 500 ? bugText(error.data, t) : null;
  }
}

function bugText(data: unknown, t: Texts): string {
  const { requestId } = (typeof data === "object" && data !== null ? data : {}) as { requestId?: string };
  return requestId === undefined ? t.errors.broken : `${t.errors.bug} ${t.errors.requestId}: ${requestId}`;
}
