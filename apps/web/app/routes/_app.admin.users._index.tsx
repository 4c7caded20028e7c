import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Link, useActionData, useLoaderData } from "@remix-run/react";
import { Eye, Users as UsersIcon } from "lucide-react";
import { ListSearch } from "../components/list-search";
import { PauseButton } from "../components/pause-button";
import { LinkButton } from "../components/ui/button";
import { FormFault, Note, Select } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Badge, Empty, PageHead, pageOf, Section } from "../components/ui/page";
import { attempt, byIntent, requireAdmin, textOf } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.users.title);
export const clientAction = keepForm;

const pageSize = 20;
const statuses = ["active", "suspended"] as const;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const { searchParams } = new URL(request.url);
  const page = pageOf(request);
  const search = (searchParams.get("search") ?? "").slice(0, 200);
  const status = statuses.find((each) => each === searchParams.get("status")) ?? null;
  const found = await caller.admin.users.list({ search, status, limit: pageSize, offset: (page - 1) * pageSize });
  return data({ ...found, page, search, status }, { headers });
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
  return data(
    { fault, isSuspended: intent === "suspend", email: textOf(form, "email") },
    { status: fault ? 400 : 200 },
  );
}

type Listed = ReturnType<typeof useLoaderData<typeof loader>>["users"][number];

export default function Users() {
  const t = useTexts();
  const format = useFormat();
  const { users, total, page, search, status } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return (
    <>
      <PageHead title={t.users.title} />
      <ListSearch label={t.users.searchLabel} placeholder="user@example.com" search={search} submit={t.common.search}>
        <Select name="status" label={t.common.status} defaultValue={status ?? ""} key={status}>
          <option value="">{t.common.all}</option>
          <option value="active">{t.common.active}</option>
          <option value="suspended">{t.common.suspended}</option>
        </Select>
      </ListSearch>
      <div className="mt-4">
        <FormFault fault={answer?.fault} />
        {answer && !answer.fault && (
          <Note look="good">{(answer.isSuspended ? t.users.suspendDone : t.users.activateDone)(answer.email)}</Note>
        )}
      </div>
      <Section isFlush>
        <List
          rows={users}
          keyOf={({ id }) => id}
          empty={<Empty icon={UsersIcon} title={t.users.empty} lead={t.users.emptyLead} />}
          paging={{ page, pageSize, total }}
          columns={[
            {
              name: t.users.columns.email,
              of: ({ id, email, role }) => (
                <span>
                  <Link to={`/admin/users/${id}`} className="font-medium hover:underline">
                    {email}
                  </Link>
                  {role !== "user" && (
                    <span className="ml-2">
                      <Badge look="plain">{t.user.roles[role]}</Badge>
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
              of: ({ status }) => (
                <Badge look={status === "active" ? "good" : "bad"}>
                  {status === "active" ? t.common.active : t.common.suspended}
                </Badge>
              ),
            },
            { name: t.users.columns.created, of: ({ createdAt }) => format.day(createdAt) },
            {
              name: t.common.actions,
              isNumber: true,
              isUnnamed: true,
              className: "corner",
              of: (user) => <Acts user={user} />,
            },
          ]}
        />
      </Section>
    </>
  );
}

function Acts({ user: { id, email, role, status } }: { user: Listed }) {
  const t = useTexts();
  const isActive = status === "active";
  return (
    <span className="inline-flex">
      <LinkButton look="icon" to={`/admin/users/${id}`} aria-label={t.users.view(email)} title={t.users.view(email)}>
        <Eye aria-hidden className="size-4" />
      </LinkButton>
      {role !== "owner" && (
        <PauseButton
          idName="userId"
          id={id}
          isActive={isActive}
          label={(isActive ? t.users.suspendOf : t.users.activateOf)(email)}
        >
          <input type="hidden" name="email" value={email} />
        </PauseButton>
      )}
    </span>
  );
}
