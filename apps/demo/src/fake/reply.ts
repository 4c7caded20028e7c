/** What the fake provider takes and gives: one request, read, and the reply to it. */

export type Json = Record<string, unknown>;

type FakeRequest = {
  body: Json;
  query: URLSearchParams;
  /** The ids in the path, in their order. */
  ids: readonly string[];
};

/** A JSON body, or the events of a stream; `everyMs` apart. */
export type Reply = { status: number; json: unknown } | { events: readonly string[]; everyMs: number };

export type Handler = (request: FakeRequest) => Reply;

/** The method and the path behind `/v1`, with `*` in place of each id. */
export type Routes = Readonly<Record<string, Handler>>;

export const ok = (json: unknown): Reply => ({ status: 200, json });

export const stream = (events: readonly string[], everyMs = 0): Reply => ({ events, everyMs });

export const failure = (status: number, error: Json): Reply => ({
  status,
  json: { error: { param: null, code: null, ...error } },
});

export const notFound = (what: string, id: string): Reply =>
  failure(404, { message: `${what} with id '${id}' not found.`, type: "invalid_request_error" });

/** Every canned answer takes 12 tokens in, 4 of them cached, and gives 5 out. */
export const tokens = { input: 12, cached: 4, output: 5 } as const;

export const cannedText = "Hello from the fake model.";
/** Five pieces, as many as tokens. */
export const cannedPieces = ["Hello", " from", " the", " fake", " model."] as const;

export const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

let made = 0;
/** Unlike any that was made before, here or in another process. */
export const newId = (prefix: string): string => `${prefix}_${Date.now().toString(36)}${process.pid}x${++made}`;

/** One page of a list by OpenAI's cursors: `after`, `limit`, `order`. */
export function pageOf(all: readonly Json[], query: URLSearchParams, order: "asc" | "desc"): Json {
  const sorted = (query.get("order") ?? order) === order ? [...all] : all.toReversed();
  const after = query.get("after");
  const from = after === null ? 0 : sorted.findIndex(({ id }) => id === after) + 1;
  const limit = Number(query.get("limit") ?? 20);
  const data = sorted.slice(from, from + limit);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: from + limit < sorted.length,
  };
}
