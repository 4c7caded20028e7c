/** Inputs with label, hint and error, tied together for screen readers. */
import {
  useEffect,
  useRef,
  useState,
  type FormEvent,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from "react";
import { useServerMessage } from "../../i18n/use-texts";
import type { Fault } from "../../guards";

const box =
  "block w-full rounded-lg border border-field bg-surface px-3 text-sm text-ink placeholder:text-muted/70 aria-invalid:border-danger";

type Labels = { name: string; label: string; hint?: string | undefined; error?: string | undefined; id?: string };

const ids = ({ id, name }: Labels) => ({ input: id ?? name, note: `${id ?? name}-note` });

/** In our own words, beside the field: the browser's bubbles speak its language, and go away. */
function useOwnMessage(given: string | undefined) {
  const [own, setOwn] = useState<string | undefined>();
  useEffect(() => setOwn(undefined), [given]);
  return {
    error: own ?? given,
    onInvalid: (event: FormEvent<Validated>) => {
      const input = event.currentTarget;
      event.preventDefault();
      setOwn(messageOf(input));
      if (input.form?.querySelector(":is(input, textarea):invalid") === input) input.focus();
    },
    onInput: () => setOwn(undefined),
  };
}

type Validated = HTMLInputElement | HTMLTextAreaElement;

function messageOf({ validity, type, validationMessage }: Validated): string {
  if (validity.customError) return validationMessage;
  if (validity.valueMissing) return "Fill in this field.";
  if (validity.typeMismatch && type === "email") return "Enter a valid e-mail address.";
  if (validity.tooShort && type === "password") return "A password has at least 8 characters.";
  if (type === "date") return "Enter a date.";
  return "This cannot be read. Check it.";
}

export function Field({
  name,
  label,
  hint,
  error: given,
  id,
  ...input
}: Labels & InputHTMLAttributes<HTMLInputElement>) {
  const { error, ...own } = useOwnMessage(given);
  const labels = { name, label, hint, error, ...(id ? { id } : {}) };
  const { input: inputId, note } = ids(labels);
  return (
    <Labelled {...labels}>
      <input
        id={inputId}
        name={name}
        className={`${box} h-9`}
        aria-invalid={error !== undefined}
        aria-describedby={error || hint ? note : undefined}
        {...own}
        {...input}
      />
    </Labelled>
  );
}

type TextFieldProps = Labels & { isLabelHidden?: boolean } & TextareaHTMLAttributes<HTMLTextAreaElement>;

/** `isLabelHidden` where a heading says the same to the eye. */
export function TextField({ name, label, hint, error: given, isLabelHidden = false, ...area }: TextFieldProps) {
  const { error, ...own } = useOwnMessage(given);
  return (
    <Labelled name={name} label={label} hint={hint} error={error} isLabelHidden={isLabelHidden}>
      <textarea
        id={name}
        name={name}
        rows={3}
        className={`${box} py-2 leading-relaxed`}
        aria-invalid={error !== undefined}
        aria-describedby={error || hint ? `${name}-note` : undefined}
        {...own}
        {...area}
      />
    </Labelled>
  );
}

export function Select({
  name,
  label,
  hint,
  error,
  isLabelHidden = false,
  children,
  ...select
}: Labels & { isLabelHidden?: boolean } & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <Labelled name={name} label={label} hint={hint} error={error} isLabelHidden={isLabelHidden}>
      <select
        id={name}
        name={name}
        className={`${box} h-9`}
        aria-describedby={error || hint ? `${name}-note` : undefined}
        {...select}
      >
        {children}
      </select>
    </Labelled>
  );
}

function Labelled({
  children,
  isLabelHidden = false,
  ...labels
}: Labels & { isLabelHidden?: boolean; children: ReactNode }) {
  const { label, hint, error } = labels;
  const say = useServerMessage();
  const { input, note } = ids(labels);
  return (
    <div className="min-w-0">
      <label htmlFor={input} className={isLabelHidden ? "sr-only" : "mb-1.5 block text-sm font-medium"}>
        {label}
      </label>
      {children}
      {(error ?? hint) !== undefined && (
        <p id={note} className={`mt-1.5 text-sm ${error ? "text-danger" : "text-muted"}`}>
          {error ? say(error) : hint}
        </p>
      )}
    </div>
  );
}

export function Check({
  name,
  label,
  ...input
}: { name: string; label: string } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className="flex items-start gap-2.5 text-sm">
      <input type="checkbox" name={name} className="mt-0.5 size-4 shrink-0 accent-accent" {...input} />
      {label}
    </label>
  );
}

/** What went wrong with the form as a whole; where the fields say it, the first of them gets the focus. */
export function FormFault({ fault }: { fault: Fault | null | undefined }) {
  const say = useServerMessage();
  useEffect(() => {
    if (!fault) return;
    // A frame later: a wizard may have to show the step of the field first.
    const frame = requestAnimationFrame(() =>
      document.querySelector<HTMLElement>('[aria-invalid="true"]:not([hidden] *)')?.focus(),
    );
    return () => cancelAnimationFrame(frame);
  }, [fault]);
  if (!fault || Object.keys(fault.fields).length > 0) return null;
  return <Note look="danger">{say(fault.message)}</Note>;
}

const noteLooks = {
  danger: "bg-danger-soft text-danger",
  warn: "bg-warn-soft text-warn",
  good: "bg-accent-soft text-accent-strong",
};

/** What became of an act is said where it can be seen, however far down the page that was. */
export function Note({ look, children }: { look: keyof typeof noteLooks; children: ReactNode }) {
  const note = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (look !== "warn") note.current?.scrollIntoView({ block: "nearest" });
  }, [look, children]);
  return (
    <p
      ref={note}
      role={look === "danger" ? "alert" : "status"}
      className={`scroll-m-6 rounded-lg px-3.5 py-2.5 text-sm ${noteLooks[look]}`}
    >
      {children}
    </p>
  );
}
