import type { ActionFunctionArgs, LoaderFunctionArgs } from "@remix-run/node";
import { ErrorPage } from "../components/error-page";
import { titled } from "../i18n/use-texts";

export const meta = titled((t) => t.errors.notFoundTitle);

/** Also says why a request got no further than the border. */
const refuse = ({ context }: LoaderFunctionArgs | ActionFunctionArgs) => {
  throw new Response(null, { status: context.refusedStatus ?? 404 });
};

export const loader = refuse;
export const action = refuse;

export default ErrorPage;
export const ErrorBoundary = ErrorPage;
