/** Everything below is for admins; each page asks again for its own data. */
import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Outlet } from "@remix-run/react";
import { requireAdmin } from "../guards";

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { headers } = await requireAdmin(request, context);
  return data(null, { headers });
}

export default Outlet;
