/** Guards return the proof that they ask for, or throw a redirect: what follows may rely on it. */
import type { PageApi, SessionUser } from "@codex-gateway/api";
import { pathWithinSite } from "@codex-gateway/domain/checks";
import { redirect, type AppLoadContext, type HeadersFunction } from "@remix-run/node";
import { changesAdministration, readsAdministration } from "./roles";

export type UserApi = PageApi & { user: SessionUser };

export const homeOf = ({ role }: Pick<SessionUser, "role">): string =>
  readsAdministration(role) ? "/admin" : "/dashboard";

/** A stranger is sent to the log-in page, and from there back to where they were. */
export async function requireUser(request: Request, context: AppLoadContext): Promise<UserApi> {
  const api = await context.api(request);
  if (api.user) return { ...api, user: api.user };
  const { pathname, search } = new URL(request.url);
  const next = request.method === "GET" ? pathname.replace(/\.data$/, "") + search : pathname;
  const query = new URLSearchParams({ next, ...(api.isSessionOver ? { over: "" } : {}) });
  throw redirect(`/login?${query}`, { headers: api.headers });
}

/** Whoever may see the administration, and for a form whoever may change it. */
export async function requireAdmin(request: Request, context: AppLoadContext): Promise<UserApi> {
  const api = await requireUser(request, context);
  const isAllowed = request.method === "GET" ? readsAdministration : changesAdministration;
  if (!isAllowed(api.user.role)) throw new Response("Forbidden", { status: 403 });
  return api;
}

/** For a page of the administration that is nothing but a form. */
export async function requireChanges(request: Request, context: AppLoadContext): Promise<UserApi> {
  const api = await requireUser(request, context);
  if (!changesAdministration(api.user.role)) throw new Response("Forbidden", { status: 403 });
  return api;
}

/** Pages for those who are not signed in yet. */
export async function requireStranger(request: Request, context: AppLoadContext): Promise<PageApi> {
  const api = await context.api(request);
  if (api.user) throw redirect(nextOf(request) ?? homeOf(api.user), { headers: api.headers });
  return api;
}

/** Where to go after the log-in: a path of this site, never another one's address. */
export const nextOf = (request: Request): string | null =>
  pathWithinSite(new URL(request.url).searchParams.get("next") ?? "");

export type Fault = {
  message: string;
  fields: Record<string, string>;
  /** How long to wait where it is not the input that is at fault. */
  wait?: { status: 429 | 503; seconds: number } | null;
};

/** For a page that is made anew with its answer, which has the headers of its route alone. */
export const headersOfAnswer: HeadersFunction = ({ actionHeaders }) => {
  const retryAfter = actionHeaders.get("retry-after");
  return new Headers(retryAfter === null ? {} : { "retry-after": retryAfter });
};

/** The status, and when to try again, of what a form is answered with. */
export function initOf(fault: Fault | null): { status: number; headers?: Record<string, string> } {
  if (!fault) return { status: 200 };
  return fault.wait
    ? { status: fault.wait.status, headers: { "retry-after": String(fault.wait.seconds) } }
    : { status: 400 };
}

/** Runs what a form asked for; a fault that its user can mend comes back, a bug goes on. */
export async function attempt<Result>(
  context: AppLoadContext,
  work: () => Promise<Result>,
): Promise<{ result: Result; fault: null } | { result: null; fault: Fault }> {
  try {
    return { result: await work(), fault: null };
  } catch (error) {
    const fault = context.faultOf(error);
    if (!fault) throw error;
    return { result: null, fault };
  }
}

/**
 * Does what the form's one intent asks for. An intent that is missing, unknown or there twice is no wish of anybody's:
 * there is no default.
 */
export function byIntent<Name extends string, Result>(
  form: FormData,
  handlers: Readonly<Record<Name, () => Promise<Result>>>,
): { intent: Name; run: () => Promise<Result> } {
  const [intent, ...more] = form.getAll("intent");
  const isKnown = (name: unknown): name is Name => typeof name === "string" && Object.hasOwn(handlers, name);
  if (!isKnown(intent) || more.length > 0) throw new Response("Bad request", { status: 400 });
  return { intent, run: () => handlers[intent]() };
}

/** A field of a form as text; a missing one is empty. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

/** A field of a form as text; null where it is empty. */
export const textOrNull = (form: FormData, name: string): string | null => textOf(form, name).trim() || null;

/** What is not there, and what is somebody else's, is the same 404. */
export async function orNotFound<Result>(context: AppLoadContext, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const isHere = !context.faultOf(error) && !(error instanceof Response && error.status < 500);
    throw isHere ? error : new Response("Not found", { status: 404 });
  }
}
