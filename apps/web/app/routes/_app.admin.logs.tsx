import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Link, useLoaderData } from "@remix-run/react";
import { ScrollText } from "lucide-react";
import { AuditDetails } from "../components/audit-details";
import { ListSearch } from "../components/list-search";
import { Select } from "../components/ui/field";
import { Empty, PageHead, Pager, pageOf, Section } from "../components/ui/page";
import { requireAdmin } from "../guards";
import { useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";

export const meta = titled((t) => t.logs.title);

const pageSize = 25;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const { searchParams } = new URL(request.url);
  const page = pageOf(request);
  const action = searchParams.get("action")?.slice(0, 50) || null;
  const search = (searchParams.get("search") ?? "").slice(0, 200);
  const [found, actions] = await Promise.all([
    caller.admin.logs.list({ action, search, limit: pageSize, offset: (page - 1) * pageSize }),
    caller.admin.logs.actions(),
  ]);
  return data({ ...found, actions, action, search, page }, { headers });
}

/** An id by its first block; anything else, such as the name of a model, whole. */
const shortOf = (id: string): string => (/^[0-9a-f]{8}-/.test(id) ? id.slice(0, 8) : id);

/** Where there is no room for all of it, it breaks before the hour. */
function BreakableTime({ of }: { of: string }) {
  const [day, hour] = of.split(/ (?=\S+$)/);
  return (
    <span>
      <span className="whitespace-nowrap">{day}</span> <span className="whitespace-nowrap">{hour}</span>
    </span>
  );
}

/** Where there is no room for all of it, it breaks before its host. */
function BreakableEmail({ of }: { of: string }) {
  const [name, ...host] = of.split("@");
  return (
    <>
      {name}
      <wbr />@{host.join("@")}
    </>
  );
}

export default function Logs() {
  const t = useTexts();
  const format = useFormat();
  const { lines, total, actions, action, search, page } = useLoaderData<typeof loader>();
  const nameOf = (act: string) => t.logs.actions[act] ?? act;
  return (
    <>
      <PageHead title={t.logs.title} />
      <ListSearch label={t.logs.searchLabel} placeholder="user@example.com" search={search} submit={t.common.filter}>
        <Select name="action" label={t.logs.columns.action} defaultValue={action ?? ""} key={action}>
          <option value="">{t.logs.allActions}</option>
          {actions.map((each) => (
            <option key={each} value={each}>
              {nameOf(each)}
            </option>
          ))}
        </Select>
      </ListSearch>
      <Section isFlush>
        {lines.length === 0 ? (
          <Empty icon={ScrollText} title={t.logs.empty} lead={t.logs.emptyLead} />
        ) : (
          <>
            <table className="table">
              <thead>
                <tr>
                  <th>{t.logs.columns.time}</th>
                  <th>{t.logs.columns.action}</th>
                  <th>{t.logs.columns.actor}</th>
                  <th>{t.logs.columns.target}</th>
                  <th className="md:max-xl:hidden">{t.logs.columns.address}</th>
                  <th>{t.logs.columns.details}</th>
                </tr>
              </thead>
              <tbody>
                {lines.map((line) => (
                  <tr key={line.id}>
                    <td data-label={t.logs.columns.time} className="xl:whitespace-nowrap">
                      <BreakableTime of={format.minute(line.createdAt)} />
                    </td>
                    <td data-label={t.logs.columns.action}>
                      <span>
                        <span className="font-medium">{nameOf(line.action)}</span>
                        <code className="block font-mono text-xs text-muted">{line.action}</code>
                      </span>
                    </td>
                    <td data-label={t.logs.columns.actor}>
                      <span>
                        {line.actorEmail ? <BreakableEmail of={line.actorEmail} /> : t.common.none}
                        {/* Where the address has no column of its own. */}
                        <span className="hidden text-xs text-muted md:max-xl:block">{line.address}</span>
                      </span>
                    </td>
                    <td data-label={t.logs.columns.target} className="wrap-anywhere md:min-w-42">
                      {line.targetEmail && line.targetId ? (
                        <Link to={`/admin/users/${line.targetId}`} className="hover:underline">
                          <BreakableEmail of={line.targetEmail} />
                        </Link>
                      ) : (
                        <span className="text-muted" title={line.targetId ?? undefined}>
                          {t.logs.targets[line.targetKind] ?? line.targetKind}
                          {line.targetId ? ` ${shortOf(line.targetId)}` : ""}
                        </span>
                      )}
                    </td>
                    <td data-label={t.logs.columns.address} className="text-muted md:max-xl:hidden">
                      {line.address || t.common.none}
                    </td>
                    <td data-label={t.logs.columns.details} className="max-w-sm text-muted md:min-w-36">
                      <AuditDetails action={line.action} details={line.details} />
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
