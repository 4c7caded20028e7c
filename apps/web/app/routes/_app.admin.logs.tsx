import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Link, useLoaderData } from "@remix-run/react";
import { ScrollText } from "lucide-react";
import { AuditDetails } from "../components/audit-details";
import { ListSearch } from "../components/list-search";
import { BreakableEmail, BreakableTime } from "../components/ui/breakable";
import { Select } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Empty, PageHead, pageOf, Section } from "../components/ui/page";
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
        <List
          rows={lines}
          keyOf={({ id }) => id}
          empty={<Empty icon={ScrollText} title={t.logs.empty} lead={t.logs.emptyLead} />}
          paging={{ page, pageSize, total }}
          columns={[
            {
              name: t.logs.columns.time,
              className: "xl:whitespace-nowrap",
              of: ({ createdAt }) => <BreakableTime of={format.minute(createdAt)} />,
            },
            {
              name: t.logs.columns.action,
              of: (line) => (
                <span>
                  <span className="font-medium">{nameOf(line.action)}</span>
                  <code className="block font-mono text-xs text-muted">{line.action}</code>
                </span>
              ),
            },
            {
              name: t.logs.columns.actor,
              className: "wrap-anywhere md:min-w-36 xl:min-w-42",
              of: ({ actorEmail, address }) => (
                <span>
                  {actorEmail ? <BreakableEmail of={actorEmail} /> : t.common.none}
                  {/* Where the address has no column of its own. */}
                  <span className="hidden text-xs text-muted md:max-xl:block">{address}</span>
                </span>
              ),
            },
            {
              name: t.logs.columns.target,
              className: "wrap-anywhere md:min-w-36 xl:min-w-42",
              of: (line) => <Target line={line} />,
            },
            {
              name: t.logs.columns.address,
              isHiddenOnTablets: true,
              className: "text-muted",
              of: ({ address }) => address || t.common.none,
            },
            {
              name: t.logs.columns.details,
              className: "max-w-sm text-muted md:min-w-36",
              of: (line) => <AuditDetails action={line.action} details={line.details} />,
            },
          ]}
        />
      </Section>
    </>
  );
}

type Line = ReturnType<typeof useLoaderData<typeof loader>>["lines"][number];

function Target({ line: { targetEmail, targetId, targetKind } }: { line: Line }) {
  const t = useTexts();
  if (targetEmail && targetId) {
    return (
      <Link to={`/admin/users/${targetId}`} className="hover:underline">
        <BreakableEmail of={targetEmail} />
      </Link>
    );
  }
  return (
    <span className="text-muted" title={targetId ?? undefined}>
      {t.logs.targets[targetKind] ?? targetKind}
      {targetId ? ` ${shortOf(targetId)}` : ""}
    </span>
  );
}
