/** Users as admins act on them: nobody acts on the owner but the owner, and nobody takes their own rights away. */
import type { Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import type { Actor } from "../audit/audit.ts";
import type { Role } from "./roles.ts";

export type ManagedUser = { id: string; email: string; role: Role; status: "active" | "suspended" };

type Options = {
  /** Whether one may do it to oneself. */
  isOwnAllowed: boolean;
};

/** Nobody else changes the user until the act is over. @throws AppError `not_found`, `forbidden` */
export async function lockManagedUser(
  client: Queryable,
  { userId, actor }: { userId: string; actor: Actor },
  { isOwnAllowed }: Options,
): Promise<ManagedUser> {
  const { rows } = await client.query<ManagedUser>(
    'SELECT id, email, role, status FROM "user" WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE',
    [userId],
  );
  const [user] = rows;
  if (!user) throw new AppError("not_found", "The user does not exist.");
  const isOwn = actor.userId === user.id;
  if (isOwn && !isOwnAllowed) throw new AppError("forbidden", "Nobody can do this to their own account.");
  if (user.role === "owner" && !isOwn)
    throw new AppError("forbidden", "Only the owner can change the owner's account.");
  return user;
}
