/** Stops what is active and starts what is stopped, a user or a key: the form's intent is `suspend` or `activate`. */
import { Form } from "@remix-run/react";
import { Pause, Play } from "lucide-react";
import { Submit } from "./ui/button";

type Props = { idName: string; id: string; isActive: boolean; label: string };

export function PauseButton({ idName, id, isActive, label }: Props) {
  const Icon = isActive ? Pause : Play;
  return (
    <Form method="post">
      <input type="hidden" name={idName} value={id} />
      <Submit look="icon" intent={isActive ? "suspend" : "activate"} aria-label={label} title={label}>
        <Icon aria-hidden className="size-4" />
      </Submit>
    </Form>
  );
}
