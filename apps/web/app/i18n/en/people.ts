import type { Texts } from "../zh";

/** Users, invitations, roles and log-ins, in English. */
export const people: Texts["people"] = {
  copyFailed: "Could not copy. The text is selected: press Ctrl/⌘ C.",
};
