/** Everything below is the administration; each page asks again for its own data. Viewers see it, and change nothing. */
import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Outlet, useLoaderData } from "@remix-run/react";
import { ReadOnlyContext } from "../components/read-only";
import { Note } from "../components/ui/field";
import { requireAdmin } from "../guards";
import { useTexts } from "../i18n/use-texts";
import { changesAdministration } from "../roles";

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { user, headers } = await requireAdmin(request, context);
  return data({ isReadOnly: !changesAdministration(user.role) }, { headers });
}

export default function Administration() {
  const t = useTexts();
  const { isReadOnly } = useLoaderData<typeof loader>();
  return (
    <ReadOnlyContext.Provider value={isReadOnly}>
      {isReadOnly && (
        <div className="mb-6">
          <Note look="warn">{t.people.readOnly}</Note>
        </div>
      )}
      <Outlet />
    </ReadOnlyContext.Provider>
  );
}
