/** On a page for somebody who is not signed in: who is, and how they leave. */
import { Form } from "@remix-run/react";
import { useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { Note } from "./ui/field";

export function LoggedInNote({ email }: { email: string }) {
  const t = useTexts();
  return (
    <div className="mt-6 space-y-4">
      <Note look="warn">{t.people.loggedInAs(email)}</Note>
      <Form method="post" action="/logout">
        <Submit look="quiet">{t.nav.logout}</Submit>
      </Form>
    </div>
  );
}
