/** The form above a list: what is searched for goes into the address. `children`: more filters. */
import { Form } from "@remix-run/react";
import type { ReactNode } from "react";
import { Button } from "./ui/button";
import { Field } from "./ui/field";

type Props = { label: string; placeholder: string; search: string; submit: string; children?: ReactNode };

export function ListSearch({ label, placeholder, search, submit, children }: Props) {
  return (
    <Form className="grid grid-cols-[1fr_auto] items-end gap-3 sm:flex sm:gap-4" role="search">
      <div className={children ? "col-span-2 sm:w-72" : "sm:w-72"}>
        <Field name="search" label={label} type="search" placeholder={placeholder} defaultValue={search} />
      </div>
      {children}
      <Button type="submit" look="quiet">
        {submit}
      </Button>
    </Form>
  );
}
