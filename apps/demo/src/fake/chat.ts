/** Chat completions, whole and streamed, and those that are stored. */
import {
  cannedPieces,
  cannedText,
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
  prompt_tokens: tokens.input,
  completion_tokens: tokens.output,
  total_tokens: tokens.input + tokens.output,
  prompt_tokens_details: { cached_tokens: tokens.cached },
};

type Stored = { completion: Json; messages: Json[] };

/** What the next completion says in place of the canned text, e.g. a call of a tool. */
export type ChatScript = { next: { message: Json; usage: Json } | null };

export function createChat(script: ChatScript): Routes {
  const stored = new Map<string, Stored>();

  function create(body: Json): Reply {
    const id = newId("chatcmpl");
    const scripted = script.next;
    script.next = null;
    const message = scripted?.message ?? { role: "assistant", content: cannedText, refusal: null };
    const completion: Json = {
      id,
      object: "chat.completion",
      created: nowSeconds(),
      model: body.model,
      choices: [{ index: 0, message, finish_reason: message.tool_calls ? "tool_calls" : "stop", logprobs: null }],
      usage: scripted?.usage ?? usage,
      service_tier: "default",
    };
    if (body.store === true) {
      completion.metadata = body.metadata ?? {};
      const messages = (Array.isArray(body.messages) ? body.messages : []) as Json[];
      stored.set(id, { completion, messages: messages.map((each) => ({ ...each, id: newId("msg") })) });
    }
    return body.stream === true ? stream(eventsOf(completion, body)) : ok(completion);
  }

  const withStored = (id: string | undefined, reply: (found: Stored) => Reply): Reply => {
    const found = stored.get(id ?? "");
    return found ? reply(found) : notFound("Chat completion", id ?? "");
  };

  return {
    "POST /chat/completions": ({ body }) => create(body),
    // As the provider's own list: it holds what all users of its one project have stored.
    "GET /chat/completions": ({ query }) =>
      ok(
        pageOf(
          [...stored.values()].map(({ completion }) => completion),
          query,
          "asc",
        ),
      ),
    "GET /chat/completions/*": ({ ids: [id] }) => withStored(id, ({ completion }) => ok(completion)),
    "POST /chat/completions/*": ({ ids: [id], body }) =>
      withStored(id, ({ completion }) => {
        completion.metadata = body.metadata;
        return ok(completion);
      }),
    "DELETE /chat/completions/*": ({ ids: [id] }) =>
      withStored(id, ({ completion }) => {
        stored.delete(String(completion.id));
        return ok({ object: "chat.completion.deleted", id: completion.id, deleted: true });
      }),
    "GET /chat/completions/*/messages": ({ ids: [id], query }) =>
      withStored(id, ({ messages }) => ok(pageOf(messages, query, "asc"))),
    "POST /completions": ({ body }) => createText(body),
  };
}

function eventsOf({ id, created, model, choices, usage: used }: Json, body: Json): string[] {
  const base = { id, object: "chat.completion.chunk", created, model };
  const options = body.stream_options as { include_usage?: boolean } | undefined;
  const usageOf = (value: unknown) => (options?.include_usage ? { usage: value } : {});
  const chunk = (delta: Json, finish_reason: string | null = null) =>
    data({ ...base, choices: [{ index: 0, delta, finish_reason }], ...usageOf(null) });
  const [{ message }] = choices as [{ message: Json }];
  const deltas = message.tool_calls
    ? [{ tool_calls: message.tool_calls }]
    : cannedPieces.map((content) => ({ content }));
  return [
    chunk({ role: "assistant", content: "" }),
    ...deltas.map((delta) => chunk(delta)),
    chunk({}, message.tool_calls ? "tool_calls" : "stop"),
    ...(options?.include_usage ? [data({ ...base, choices: [], usage: used })] : []),
    "data: [DONE]\n\n",
  ];
}

function createText(body: Json): Reply {
  const base = { id: newId("cmpl"), object: "text_completion", created: nowSeconds(), model: body.model };
  const choice = (text: string, finish_reason: string | null) => ({ index: 0, text, finish_reason, logprobs: null });
  if (body.stream !== true) return ok({ ...base, choices: [choice(cannedText, "stop")], usage });
  return stream([
    ...cannedPieces.map((text) => data({ ...base, choices: [choice(text, null)] })),
    data({ ...base, choices: [choice("", "stop")] }),
    data({ ...base, choices: [], usage }),
    "data: [DONE]\n\n",
  ]);
}

const data = (chunk: Json): string => `data: ${JSON.stringify(chunk)}\n\n`;
