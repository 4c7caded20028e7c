import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Link, useActionData, useLoaderData } from "@remix-run/react";
import { Eye, Users as UsersIcon } from "lucide-react";
import { ListSearch } from "../components/list-search";
import { PauseButton } from "../components/pause-button";
import { LinkButton } from "../components/ui/button";
import { FormFault, Note, Select } from "../components/ui/field";
import { Badge, Empty, PageHead, Pager, pageOf, Section } from "../components/ui/page";
import { attempt, requireAdmin, textOf } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";

export const meta = titled((t) => t.users.title);

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
  const isSuspended = form.get("intent") === "suspend";
  const { fault } = await attempt(context, () =>
    caller.admin.users.setStatus({ userId: textOf(form, "userId"), status: isSuspended ? "suspended" : "active" }),
  );
  return data({ fault, isSuspended, email: textOf(form, "email") }, { status: fault ? 400 : 200 });
}

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
        {users.length === 0 ? (
          <Empty icon={UsersIcon} title={t.users.empty} lead={t.users.emptyLead} />
        ) : (
          <>
            <table className="table">
              <thead>
                <tr>
                  <th>{t.users.columns.email}</th>
                  <th className="number">{t.users.columns.balance}</th>
                  <th>{t.users.columns.status}</th>
                  <th>{t.users.columns.created}</th>
                  <th className="number">{t.common.actions}</th>
                </tr>
              </thead>
              <tbody>
                {users.map((user) => (
                  <tr key={user.id}>
                    <td data-label={t.users.columns.email}>
                      <Link to={`/admin/users/${user.id}`} className="font-medium hover:underline">
                        {user.email}
                      </Link>
                      {user.role !== "user" && (
                        <span className="ml-2">
                          <Badge look="plain">{t.user.roles[user.role]}</Badge>
                        </span>
                      )}
                    </td>
                    <td data-label={t.users.columns.balance} className="number" title={exactUsd(user.balanceUsd)}>
                      {usd(user.balanceUsd)}
                    </td>
                    <td data-label={t.users.columns.status}>
                      <Badge look={user.status === "active" ? "good" : "bad"}>
                        {user.status === "active" ? t.common.active : t.common.suspended}
                      </Badge>
                    </td>
                    <td data-label={t.users.columns.created}>{format.day(user.createdAt)}</td>
                    <td className="number corner">
                      <span className="inline-flex">
                        <LinkButton
                          look="icon"
                          to={`/admin/users/${user.id}`}
                          aria-label={t.users.view(user.email)}
                          title={t.users.view(user.email)}
                        >
                          <Eye aria-hidden className="size-4" />
                        </LinkButton>
                        {user.role !== "owner" && (
                          <PauseButton
                            idName="userId"
                            id={user.id}
                            isActive={user.status === "active"}
                            label={(user.status === "active" ? t.users.suspendOf : t.users.activateOf)(user.email)}
                          >
                            <input type="hidden" name="email" value={user.email} />
                          </PauseButton>
                        )}
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            <Pager page={page} pageSize={pageSize} total={total} />
          </>
        )}
      </Section>
    </>
  );
}
