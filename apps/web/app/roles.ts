/** Roles as the pages' forms name them. */
import type { SessionUser } from "@codex-gateway/api";

type Role = SessionUser["role"];
export type GrantableRole = Exclude<Role, "owner">;
export const grantableRoles = ["admin", "viewer", "user"] as const satisfies readonly GrantableRole[];

export const readsAdministration = (role: Role): boolean => role !== "user";
export const changesAdministration = (role: Role): boolean => role === "owner" || role === "admin";

/** What a form says; what is no role is refused by the procedure, beside its field. */
export const roleOf = (text: string): GrantableRole => text as GrantableRole;
