/** Who may do what: the owner, of whom there is one, and admins change; viewers read all that admins read; users have their own. */

export const roles = ["owner", "admin", "viewer", "user"] as const;
export type Role = (typeof roles)[number];

/** Those that can be given; there is one owner, who hands that over themself. */
export const grantableRoles = ["admin", "viewer", "user"] as const;
export type GrantableRole = (typeof grantableRoles)[number];

export const readsAdministration = (role: Role): boolean => role !== "user";
export const changesAdministration = (role: Role): boolean => role === "owner" || role === "admin";
