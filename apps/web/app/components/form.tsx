import { useNavigation } from "@remix-run/react";
import type { InputHTMLAttributes, ReactNode, TextareaHTMLAttributes } from "react";
import { sayInChinese } from "../i18n/messages-zh";

const box =
  "mt-1 block w-full rounded-md border border-neutral-300 bg-white px-3 py-2 text-sm shadow-xs outline-none focus:border-emerald-600 focus:ring-2 focus:ring-emerald-600/20 aria-invalid:border-red-600 dark:border-neutral-700 dark:bg-neutral-900";

type FieldProps = { name: string; label: string; hint?: string; error?: string | undefined };

/** An input with its label, hint and error, tied together for screen readers. */
export function Field({ name, label, hint, error, ...input }: FieldProps & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Labelled name={name} label={label} hint={hint} error={error}>
      <input
        id={name}
        name={name}
        className={box}
        aria-invalid={error !== undefined}
        aria-describedby={`${name}-note`}
        {...input}
      />
    </Labelled>
  );
}

export function TextField({
  name,
  label,
  hint,
  error,
  ...area
}: FieldProps & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <Labelled name={name} label={label} hint={hint} error={error}>
      <textarea
        id={name}
        name={name}
        rows={3}
        className={box}
        aria-invalid={error !== undefined}
        aria-describedby={`${name}-note`}
        {...area}
      />
    </Labelled>
  );
}

function Labelled({
  name,
  label,
  hint,
  error,
  children,
}: Omit<FieldProps, "hint"> & { hint?: string | undefined; children: ReactNode }) {
  return (
    <div>
      <label htmlFor={name} className="block text-sm font-medium">
        {label}
      </label>
      {children}
      <p
        id={`${name}-note`}
        className={error ? "mt-1 text-sm text-red-700 dark:text-red-400" : "mt-1 text-sm text-neutral-500"}
      >
        {error ? sayInChinese(error) : hint}
      </p>
    </div>
  );
}

export function Check({ name, label, defaultChecked }: { name: string; label: string; defaultChecked?: boolean }) {
  return (
    <label className="flex items-center gap-2 text-sm">
      <input type="checkbox" name={name} defaultChecked={defaultChecked} className="size-4 accent-emerald-700" />
      {label}
    </label>
  );
}

const looks = {
  primary: "bg-emerald-700 text-white hover:bg-emerald-800",
  quiet: "border border-neutral-300 hover:bg-neutral-100 dark:border-neutral-700 dark:hover:bg-neutral-800",
  danger: "text-red-700 hover:bg-red-50 dark:text-red-400 dark:hover:bg-red-950",
};

type ButtonProps = {
  children: ReactNode;
  look?: keyof typeof looks;
  type?: "submit" | "button";
  name?: string;
  value?: string;
  onClick?: () => void;
};

/** Cannot be pressed twice: while a form is under way every button waits. */
export function Button({ children, look = "primary", type = "submit", ...rest }: ButtonProps) {
  const isBusy = useNavigation().state !== "idle";
  return (
    <button
      type={type}
      disabled={isBusy && type === "submit"}
      className={`rounded-md px-4 py-2 text-sm font-medium focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-emerald-700 disabled:opacity-60 ${looks[look]}`}
      {...rest}
    >
      {children}
    </button>
  );
}

/** What went wrong with the form as a whole; nothing where the fields say it. */
export function FormFault({
  fault,
}: {
  fault: { message: string; fields: Record<string, string> } | null | undefined;
}) {
  if (!fault || Object.keys(fault.fields).length > 0) return null;
  return (
    <p role="alert" className="rounded-md bg-red-50 px-3 py-2 text-sm text-red-800 dark:bg-red-950 dark:text-red-200">
      {sayInChinese(fault.message)}
    </p>
  );
}
