/** A dialog whose form is answered by the page's action: it closes when that went well, and opens without old faults. */
import { useEffect, useState } from "react";
import type { Fault } from "../../guards";

type Answer = { fault: Fault | null };

export type FormDialog<Subject> = {
  /** What the dialog is about; null while it is closed. */
  subject: Subject | null;
  fault: Fault | null;
  open: (subject: Subject) => void;
  close: () => void;
};

export function useFormDialog<Subject>(answer: Answer | undefined, first: Subject | null = null): FormDialog<Subject> {
  const [subject, setSubject] = useState(first);
  const [past, setPast] = useState(answer);
  useEffect(() => {
    if (answer && !answer.fault) setSubject(null);
  }, [answer]);
  return {
    subject,
    fault: answer && answer !== past ? answer.fault : null,
    open: (next) => {
      setPast(answer);
      setSubject(next);
    },
    close: () => setSubject(null),
  };
}
