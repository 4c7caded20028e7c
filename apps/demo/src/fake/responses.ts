/** Responses: whole, streamed, in the background, compacted; and those that are stored, with the conversations they are in. */
import {
  cannedPieces,
  cannedText,
  failure,
  newId,
  notFound,
  nowSeconds,
  ok,
  pageOf,
  stream,
  tokens,
  type Json,
  type Reply,
  type Routes,
} from "./reply.ts";

const usage = {
  input_tokens: tokens.input,
  input_tokens_details: { cached_tokens: tokens.cached, cache_write_tokens: 0 },
  output_tokens: tokens.output,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: tokens.input + tokens.output,
};

type Stored = { response: Json; input: Json[]; endsAtMs: number; output: Json[] };

export type ResponsesScript = {
  /** How long a response in the background takes. */
  backgroundMs: number;
  /** How it ends. */
  backgroundStatus: "completed" | "failed" | "incomplete";
};

export function createResponses(script: ResponsesScript): Routes {
  const stored = new Map<string, Stored>();
  const conversations = new Map<string, { conversation: Json; items: Json[] }>();

  function create(body: Json): Reply {
    const input = itemsOf(body.input);
    const conversation = conversationOf(body.conversation);
    if (conversation === undefined) return notFound("Conversation", String(body.conversation));
    const isCompaction = input.some(({ type }) => type === "compaction_trigger");
    const output = [isCompaction ? compactionItem() : messageItem()];
    const response = responseOf(body, { status: "completed", output, usage });
    const record: Stored = { response, input, endsAtMs: 0, output };
    if (body.store !== false || body.background === true) stored.set(String(response.id), record);
    conversation?.items.push(...input, ...output);
    if (body.background === true) {
      Object.assign(response, { status: "queued", output: [], usage: null });
      record.endsAtMs = Date.now() + script.backgroundMs;
    }
    if (body.stream === true) return stream(eventsOf(response, output));
    return ok(response);
  }

  /** The conversation that a body names: null where it names none, undefined where there is none of the name. */
  function conversationOf(named: unknown) {
    if (named === undefined || named === null) return null;
    return conversations.get(typeof named === "string" ? named : String((named as Json).id));
  }

  /** Time goes by for what runs in the background. */
  function advance(record: Stored): Stored {
    const { response } = record;
    if (response.status !== "queued" && response.status !== "in_progress") return record;
    if (Date.now() < record.endsAtMs) response.status = "in_progress";
    else if (script.backgroundStatus === "failed") {
      const error = { code: "server_error", message: "The model broke down." };
      Object.assign(response, { status: "failed", error, usage: null });
    } else Object.assign(response, { status: script.backgroundStatus, output: record.output, usage });
    return record;
  }

  const withStored = (id: string | undefined, reply: (found: Stored) => Reply): Reply => {
    const found = stored.get(id ?? "");
    return found ? reply(advance(found)) : notFound("Response", id ?? "");
  };

  const withConversation = (
    id: string | undefined,
    reply: (found: { conversation: Json; items: Json[] }) => Reply,
  ): Reply => {
    const found = conversations.get(id ?? "");
    return found ? reply(found) : notFound("Conversation", id ?? "");
  };

  return {
    "POST /responses": ({ body }) => create(body),
    "GET /responses/*": ({ ids: [id], query }) =>
      withStored(id, ({ response, output }) => {
        if (query.get("stream") !== "true") return ok(response);
        const after = Number(query.get("starting_after") ?? -1);
        return stream(eventsOf(response, output).slice(after + 1));
      }),
    "DELETE /responses/*": ({ ids: [id] }) =>
      withStored(id, ({ response }) => {
        stored.delete(String(response.id));
        return ok({ id: response.id, object: "response", deleted: true });
      }),
    "POST /responses/*/cancel": ({ ids: [id] }) =>
      withStored(id, ({ response }) => {
        if (response.background !== true) {
          return failure(400, {
            message: "Cannot cancel a synchronous response.",
            type: "invalid_request_error",
          });
        }
        if (response.status === "queued" || response.status === "in_progress") {
          Object.assign(response, { status: "cancelled", usage: { ...usage, output_tokens: 0, total_tokens: 12 } });
        }
        return ok(response);
      }),
    "GET /responses/*/input_items": ({ ids: [id], query }) =>
      withStored(id, ({ input }) => ok(pageOf(input, query, "desc"))),
    "POST /responses/input_tokens": () => ok({ object: "response.input_tokens", input_tokens: tokens.input }),
    "POST /responses/compact": ({ body }) =>
      ok({
        id: newId("resp"),
        object: "response.compaction",
        created_at: nowSeconds(),
        output: [...itemsOf(body.input), compactionItem()],
        usage,
      }),
    "POST /conversations": ({ body }) => {
      const conversation = {
        id: newId("conv"),
        object: "conversation",
        created_at: nowSeconds(),
        metadata: body.metadata ?? {},
      };
      conversations.set(conversation.id, { conversation, items: itemsOf(body.items) });
      return ok(conversation);
    },
    "GET /conversations/*": ({ ids: [id] }) => withConversation(id, ({ conversation }) => ok(conversation)),
    "POST /conversations/*": ({ ids: [id], body }) =>
      withConversation(id, ({ conversation }) => ok(Object.assign(conversation, { metadata: body.metadata }))),
    "DELETE /conversations/*": ({ ids: [id] }) =>
      withConversation(id, () => {
        conversations.delete(id ?? "");
        return ok({ id, object: "conversation.deleted", deleted: true });
      }),
    "POST /conversations/*/items": ({ ids: [id], body }) =>
      withConversation(id, ({ items }) => {
        const added = itemsOf(body.items);
        items.push(...added);
        return ok(pageOf(added, new URLSearchParams(), "asc"));
      }),
    "GET /conversations/*/items": ({ ids: [id], query }) =>
      withConversation(id, ({ items }) => ok(pageOf(items, query, "desc"))),
    "GET /conversations/*/items/*": ({ ids: [id, itemId] }) =>
      withConversation(id, ({ items }) => {
        const found = items.find((item) => item.id === itemId);
        return found ? ok(found) : notFound("Item", itemId ?? "");
      }),
    "DELETE /conversations/*/items/*": ({ ids: [id, itemId] }) =>
      withConversation(id, ({ conversation, items }) => {
        const at = items.findIndex((item) => item.id === itemId);
        if (at === -1) return notFound("Item", itemId ?? "");
        items.splice(at, 1);
        return ok(conversation);
      }),
  };
}

function responseOf(body: Json, rest: Json): Json {
  return {
    id: newId("resp"),
    object: "response",
    created_at: nowSeconds(),
    background: body.background === true,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: body.model,
    parallel_tool_calls: true,
    previous_response_id: body.previous_response_id ?? null,
    service_tier: "default",
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    ...rest,
  };
}

const messageItem = (): Json => ({
  id: newId("msg"),
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: cannedText, annotations: [] }],
});

const compactionItem = (): Json => ({ id: newId("cmp"), type: "compaction", encrypted_content: "ZW5jcnlwdGVk" });

/** Items with ids, newest last. */
const itemsOf = (input: unknown): Json[] =>
  (typeof input === "string" ? [{ type: "message", role: "user", content: input }] : ((input ?? []) as Json[])).map(
    (item) => ({ id: newId("msg"), type: "message", ...item }),
  );

/** The events of a stream, numbered from 0. */
function eventsOf(response: Json, output: readonly Json[]): string[] {
  const started = { ...response, status: "in_progress", output: [], usage: null };
  const ended = { ...response, status: "completed", output, usage };
  const events: Json[] = [
    { type: "response.created", response: started },
    { type: "response.in_progress", response: started },
  ];
  output.forEach((item, output_index) => {
    const at = { item_id: item.id, output_index, content_index: 0 };
    events.push({ type: "response.output_item.added", output_index, item: { ...item, content: [] } });
    if (item.type === "message") {
      const part = { type: "output_text", text: "", annotations: [] };
      events.push({ type: "response.content_part.added", ...at, part });
      for (const delta of cannedPieces) events.push({ type: "response.output_text.delta", ...at, delta, logprobs: [] });
      events.push({ type: "response.output_text.done", ...at, text: cannedText, logprobs: [] });
      events.push({ type: "response.content_part.done", ...at, part: { ...part, text: cannedText } });
    }
    events.push({ type: "response.output_item.done", output_index, item });
  });
  events.push({ type: "response.completed", response: ended });
  return events.map((event, sequence_number) => {
    const { type, ...rest } = event;
    return `event: ${String(type)}\ndata: ${JSON.stringify({ type, sequence_number, ...rest })}\n\n`;
  });
}
