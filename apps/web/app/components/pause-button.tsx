/** Stops what is active and starts what is stopped, a user or a key: the form's intent is `suspend` or `activate`. */
import { Form } from "@remix-run/react";
import { Pause, Play } from "lucide-react";
import type { ReactNode } from "react";
import { Submit } from "./ui/button";

/** `children`: what else the form says. */
type Props = { idName: string; id: string; isActive: boolean; label: string; children?: ReactNode };

export function PauseButton({ idName, id, isActive, label, children }: Props) {
  const Icon = isActive ? Pause : Play;
  return (
    <Form method="post">
      <input type="hidden" name={idName} value={id} />
      {children}
      <Submit look="icon" intent={isActive ? "suspend" : "activate"} aria-label={label} title={label}>
        <Icon aria-hidden className="size-4" />
      </Submit>
    </Form>
  );
}
