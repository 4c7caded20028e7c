/** A form whose changes are asked after before the page is left, by a link or by the browser. */
import { useBlocker } from "@remix-run/react";
import { useEffect, useState, type RefObject } from "react";
import { useTexts } from "../i18n/use-texts";
import { Button } from "./ui/button";
import { Dialog } from "./ui/dialog";

const contentOf = (form: HTMLFormElement): string =>
  JSON.stringify(
    [...new FormData(form)].map(([name, value]) => [name, typeof value === "string" ? value : value.name]),
  );

/** `saved` is another one whenever the form was saved or read anew. */
export function UnsavedChanges({ form, saved }: { form: RefObject<HTMLFormElement>; saved: unknown }) {
  const t = useTexts();
  const [isChanged, setChanged] = useState(false);
  useEffect(() => {
    const element = form.current;
    if (!element) return;
    const before = contentOf(element);
    setChanged(false);
    const compare = () => setChanged(contentOf(element) !== before);
    element.addEventListener("input", compare);
    return () => element.removeEventListener("input", compare);
  }, [form, saved]);
  useEffect(() => {
    if (!isChanged) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isChanged]);
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => isChanged && currentLocation.pathname !== nextLocation.pathname,
  );
  if (blocker.state !== "blocked") return null;
  return (
    <Dialog title={t.people.unsaved} isOpen onOpenChange={() => blocker.reset()}>
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={() => blocker.proceed()}>
          {t.people.leave}
        </Button>
        <Button onClick={() => blocker.reset()}>{t.people.stay}</Button>
      </div>
    </Dialog>
  );
}
