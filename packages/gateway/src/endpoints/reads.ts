/** The read-only paths for key holders. */
import type { AnswerRead } from "../ports.ts";

export type Read = { name: Parameters<AnswerRead>[0]["name"]; id: string | null };

const lists: Readonly<Record<string, Read["name"] | undefined>> = {
  "/v1/models": "models",
  "/v1/credits": "credits",
  "/v1/charges": "charges",
  "/v1/key": "key",
  "/v1/usage": "usage",
  "/v1/dashboard/billing/subscription": "billing_subscription",
  "/v1/dashboard/billing/usage": "billing_usage",
};
const single = /^\/v1\/(models|charges)\/(.+)$/;

/** The read that a path names; null where it names none. Model names may contain slashes. */
export function findRead(pathname: string): Read | null {
  const name = lists[pathname];
  if (name) return { name, id: null };
  const [, list, id] = single.exec(pathname) ?? [];
  if (!list || !id) return null;
  try {
    return { name: list === "models" ? "model" : "charge", id: decodeURIComponent(id) };
  } catch {
    return null;
  }
}
