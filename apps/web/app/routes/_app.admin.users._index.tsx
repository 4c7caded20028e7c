import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Link, useActionData, useLoaderData } from "@remix-run/react";
import { Eye, MailPlus, UserPlus, Users as UsersIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { ListSearch } from "../components/list-search";
import { Changes } from "../components/read-only";
import { SuspendButton, SuspendDialog, SuspendToast, type Suspendable } from "../components/suspend";
import { LinkButton } from "../components/ui/button";
import { BreakableEmail } from "../components/ui/breakable";
import { FormFault, Select } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Toast } from "../components/ui/toast";
import { Badge, Empty, PageHead, pageOf, Section } from "../components/ui/page";
import { attempt, byIntent, requireAdmin, textOf } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.users.title);
export const clientAction = keepForm;

const pageSize = 20;
const statuses = ["active", "suspended", "deleted"] as const;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const { searchParams } = new URL(request.url);
  const page = pageOf(request);
  const search = (searchParams.get("search") ?? "").slice(0, 200);
  const status = statuses.find((each) => each === searchParams.get("status")) ?? null;
  const found = await caller.admin.users.list({ search, status, limit: pageSize, offset: (page - 1) * pageSize });
  const isJustDeleted = searchParams.has("gone");
  return data({ ...found, page, search, status, isJustDeleted }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const userId = textOf(form, "userId");
  const { intent, run } = byIntent(form, {
    suspend: () => caller.admin.users.setStatus({ userId, status: "suspended" }),
    activate: () => caller.admin.users.setStatus({ userId, status: "active" }),
  });
  const { fault } = await attempt(context, run);
  return data({ fault, intent, id: userId, email: textOf(form, "email") }, { status: fault ? 400 : 200 });
}

/** Told about once, however often the list is read again. */
const deleted = {};

type Listed = ReturnType<typeof useLoaderData<typeof loader>>["users"][number];

export default function Users() {
  const t = useTexts();
  const format = useFormat();
  const loaded = useLoaderData<typeof loader>();
  const { users, total, page, search, status } = loaded;
  const answer = useActionData<typeof action>();
  const [asked, setAsked] = useState<Suspendable | null>(null);
  useEffect(() => setAsked(null), [answer]);
  return (
    <>
      <PageHead title={t.users.title}>
        <LinkButton look="quiet" to="/admin/invites">
          <MailPlus aria-hidden className="size-4" />
          {t.people.invites}
        </LinkButton>
        <Changes>
          <LinkButton to="/admin/users/new">
            <UserPlus aria-hidden className="size-4" />
            {t.people.add}
          </LinkButton>
        </Changes>
      </PageHead>
      <ListSearch label={t.people.search} placeholder={t.people.searchHint} search={search} submit={t.common.search}>
        <Select name="status" label={t.common.status} defaultValue={status ?? ""} key={status}>
          <option value="">{t.common.all}</option>
          <option value="active">{t.common.active}</option>
          <option value="suspended">{t.common.suspended}</option>
          <option value="deleted">{t.people.deleted}</option>
        </Select>
      </ListSearch>
      <div className="mt-4">
        <FormFault fault={answer?.fault} />
      </div>
      {answer && !answer.fault && <SuspendToast of={answer} intent={answer.intent} user={answer} />}
      {loaded.isJustDeleted && !answer && <Toast of={deleted} text={t.people.deletedDone} />}
      <SuspendDialog user={asked} onClose={() => setAsked(null)} />
      <Section isFlush>
        <List
          rows={users}
          keyOf={({ id }) => id}
          empty={<Empty icon={UsersIcon} title={t.users.empty} lead={t.users.emptyLead} />}
          paging={{ page, pageSize, total }}
          columns={[
            {
              name: t.users.columns.email,
              className: "wrap-anywhere",
              of: ({ id, email, role, deletedAt }) => (
                <span>
                  <Link to={`/admin/users/${id}`} className="font-medium hover:underline">
                    {deletedAt ? t.people.deletedName(id.slice(0, 8)) : <BreakableEmail of={email} />}
                  </Link>
                  {role !== "user" && (
                    <span className="ml-2">
                      <Badge look="plain">{t.people.roles[role]}</Badge>
                    </span>
                  )}
                </span>
              ),
            },
            {
              name: t.users.columns.balance,
              isNumber: true,
              of: ({ balanceUsd }) => usd(balanceUsd),
              title: ({ balanceUsd }) => exactUsd(balanceUsd),
            },
            {
              name: t.users.columns.status,
              className: "whitespace-nowrap",
              of: ({ status, deletedAt }) => (
                <Badge look={status === "active" ? "good" : "bad"}>
                  {deletedAt ? t.people.deleted : status === "active" ? t.common.active : t.common.suspended}
                </Badge>
              ),
            },
            {
              name: t.users.columns.created,
              className: "whitespace-nowrap",
              of: ({ createdAt }) => format.day(createdAt),
            },
            {
              name: t.common.actions,
              isNumber: true,
              isUnnamed: true,
              className: "corner",
              of: (user) => <Acts user={user} onAsk={setAsked} />,
            },
          ]}
        />
      </Section>
    </>
  );
}

function Acts({ user, onAsk }: { user: Listed; onAsk: (user: Suspendable) => void }) {
  const t = useTexts();
  const { id, email, role, deletedAt } = user;
  return (
    <span className="inline-flex">
      <LinkButton look="icon" to={`/admin/users/${id}`} aria-label={t.users.view(email)} title={t.users.view(email)}>
        <Eye aria-hidden className="size-4" />
      </LinkButton>
      {role !== "owner" && !deletedAt && <SuspendButton user={user} onAsk={onAsk} isIcon />}
    </span>
  );
}
