/** What an admin types to find somebody: a part of the e-mail address, an id or its beginning, a key's beginning, a request's id. */
import { isUuid } from "../inputs/checks.ts";

/** A condition over "user" u, with its one value as `$1`. */
export type UserSearch = { condition: string; value: string };

const keyDisplay = /^(sk-cg-[A-Za-z0-9]{0,20})(?:…([A-Za-z0-9]{4}))?/;
const idBeginning = /^[0-9a-f]{8}(?:-[0-9a-f-]{0,27})?$/i;
const maxPrefixLength = 10;

export function searchOf(typed: string): UserSearch {
  const search = typed.trim();
  if (search === "") return { condition: "$1 = ''", value: "" };
  if (isUuid(search)) {
    return {
      condition: `(u.id = $1::uuid OR u.id = (SELECT k.user_id FROM api_key k WHERE k.id = $1::uuid)
        OR u.id = (SELECT a.user_id FROM charge c JOIN account a ON a.id = c.account_id WHERE c.hold_id = $1::uuid)
        OR u.id = (SELECT a.user_id FROM hold h JOIN account a ON a.id = h.account_id WHERE h.id = $1::uuid))`,
      value: search.toLowerCase(),
    };
  }
  // Of a whole secret no more than what lists show goes on.
  const prefix = keyDisplay.exec(search)?.[1]?.slice(0, maxPrefixLength);
  if (prefix !== undefined) {
    return {
      condition: `EXISTS (SELECT 1 FROM api_key k WHERE k.user_id = u.id AND k.prefix LIKE $1 || '%' AND k.status <> 'deleted')`,
      value: prefix,
    };
  }
  const ofEmail = "strpos(u.email, $1) > 0";
  const value = search.toLowerCase();
  return { condition: idBeginning.test(search) ? `(${ofEmail} OR starts_with(u.id::text, $1))` : ofEmail, value };
}
