/** What can be asked of chat completions that were stored (`store: true`). */
import { defineShape } from "../metering/body-shape.ts";
import { chatCompletions } from "./chat-completions.ts";
import type { FreeEndpoint } from "./free-endpoint.ts";

const ofCompletions = (
  name: string,
  method: FreeEndpoint["method"],
  below: string,
  rest: Partial<FreeEndpoint> = {},
): FreeEndpoint => ({
  name: `chat.completions.${name}`,
  allowedAs: chatCompletions.name,
  method,
  path: `/v1/chat/completions${below}`,
  query: [],
  shape: null,
  effect: null,
  lists: null,
  ...rest,
});

export const storedCompletions: readonly FreeEndpoint[] = [
  ofCompletions("list", "GET", "", { lists: "chat_completion" }),
  ofCompletions("retrieve", "GET", "/{chat_completion}"),
  ofCompletions("update", "POST", "/{chat_completion}", { shape: defineShape({}) }),
  ofCompletions("delete", "DELETE", "/{chat_completion}", { effect: { deletes: "chat_completion" } }),
  ofCompletions("messages", "GET", "/{chat_completion}/messages", { query: ["after", "limit", "order"] }),
];
