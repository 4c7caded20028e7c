import { ErrorPage } from "../components/error-page";
import { titled } from "../i18n/use-texts";

export const meta = titled((t) => t.errors.notFoundTitle);

export const loader = () => {
  throw new Response("Not found", { status: 404 });
};

export default ErrorPage;
export const ErrorBoundary = ErrorPage;
