/** An account without money: whom to ask for some, or for who may credit accounts, where. */
import type { SessionUser } from "@codex-gateway/api";
import { Link, useRouteLoaderData } from "@remix-run/react";
import { useTexts } from "../i18n/use-texts";
import { changesAdministration } from "../roles";

export function EmptyBalance() {
  const t = useTexts();
  const user = useRouteLoaderData<{ user: SessionUser }>("routes/_app")?.user;
  if (!user || !changesAdministration(user.role)) return t.dashboard.noMoney;
  return (
    <>
      {t.people.noMoneyAdmin}{" "}
      <Link to={`/admin/users/${user.id}`} className="font-medium underline underline-offset-4">
        {t.people.creditMyself}
      </Link>
    </>
  );
}
