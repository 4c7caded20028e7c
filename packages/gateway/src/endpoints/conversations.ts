/** Conversations, and the items in them; an item belongs to whoever has its conversation. */
import { defineShape } from "../metering/body-shape.ts";
import type { FreeEndpoint } from "./free-endpoint.ts";

const withItems = defineShape({ items: "items" });
const includes = ["include", "include[]"];

const ofConversations = (
  name: string,
  method: FreeEndpoint["method"],
  below: string,
  rest: Partial<FreeEndpoint> = {},
): FreeEndpoint => ({
  name: `conversations.${name}`,
  allowedAs: "conversations",
  method,
  path: `/v1/conversations${below}`,
  query: [],
  shape: null,
  effect: null,
  lists: null,
  ...rest,
});

export const conversations: readonly FreeEndpoint[] = [
  ofConversations("create", "POST", "", { shape: withItems, effect: { creates: "conversation" } }),
  ofConversations("retrieve", "GET", "/{conversation}"),
  ofConversations("update", "POST", "/{conversation}", { shape: withItems }),
  ofConversations("delete", "DELETE", "/{conversation}", { effect: { deletes: "conversation" } }),
  ofConversations("items.create", "POST", "/{conversation}/items", { shape: withItems, query: includes }),
  ofConversations("items.list", "GET", "/{conversation}/items", { query: ["after", "limit", "order", ...includes] }),
  ofConversations("items.retrieve", "GET", "/{conversation}/items/{item}", { query: includes }),
  ofConversations("items.delete", "DELETE", "/{conversation}/items/{item}"),
];
