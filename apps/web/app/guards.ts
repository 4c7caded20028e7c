/** Guards return the proof that they ask for, or throw a redirect: what follows may rely on it. */
import type { PageApi, SessionUser } from "@codex-gateway/api";
import { redirect, type AppLoadContext } from "@remix-run/node";

export type UserApi = PageApi & { user: SessionUser };

export const homeOf = ({ role }: Pick<SessionUser, "role">): string => (role === "user" ? "/api-keys" : "/admin/users");

export async function requireUser(request: Request, context: AppLoadContext): Promise<UserApi> {
  const api = await context.api(request);
  if (!api.user) throw redirect("/login", { headers: api.headers });
  return { ...api, user: api.user };
}

export async function requireAdmin(request: Request, context: AppLoadContext): Promise<UserApi> {
  const api = await requireUser(request, context);
  if (api.user.role === "user") throw redirect(homeOf(api.user), { headers: api.headers });
  return api;
}

/** Pages for those who are not signed in yet. */
export async function requireStranger(request: Request, context: AppLoadContext): Promise<PageApi> {
  const api = await context.api(request);
  if (api.user) throw redirect(homeOf(api.user), { headers: api.headers });
  return api;
}

export type Fault = { message: string; fields: Record<string, string> };

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

/** A field of a form as text; a missing one is empty. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}
