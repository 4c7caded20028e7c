/**
 * Lists the caller's own resources of one kind. Which there are is read from our rows: the provider's own list has those of
 * all users. Each of them is then asked for at the upstream where it lies; what has expired there is left out.
 */
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { isId, type FreeRoute } from "./endpoints/free-routes.ts";
import { errorAnswer } from "./errors.ts";
import type { OpenCall } from "./exchange.ts";
import type { GatewayServices } from "./handle.ts";
import { isObject, parseObject, type Json } from "./metering/answer-facts.ts";
import { bufferOf } from "./metering/scan-body.ts";
import type { Caller, ResourceKind } from "./ports.ts";
import { BodyError } from "./transport/body-error.ts";

/** As OpenAI has them. */
const maxPerPage = 100;
const defaultPerPage = 20;
/** So many are looked at for one page, where most do not fit its filter. */
const maxLookedAt = 200;
const atOnce = 8;
const maxItemBytes = 8 * 1024 * 1024;
const maxPageBytes = 32 * 1024 * 1024;

type List = { kind: ResourceKind; caller: Caller; route: FreeRoute; open: OpenCall };
type Filter = (item: Json) => boolean;

export async function answerList(services: GatewayServices, call: GatewayCall, list: List): Promise<GatewayAnswer> {
  const { ports } = services;
  const id = list.open.record.requestId;
  const search = new URL(call.path, "http://gateway").searchParams;
  const limit = readLimit(search);
  const order = readOrder(search);
  const fits = createFilter(search);
  const after = search.get("after");
  if (after !== null && !isId(after)) return errorAnswer("resource_not_found", id, { param: "after" });
  const rows = await ports.resources.list({
    caller: list.caller,
    kind: list.kind,
    after,
    order,
    limit: maxLookedAt + 1,
  });
  if (rows === null) return errorAnswer("resource_not_found", id, { param: "after" });
  const data: Buffer[] = [];
  const ids: string[] = [];
  let lookedAt = 0;
  let bytes = 0;
  while (lookedAt < Math.min(rows.length, maxLookedAt) && data.length < limit && bytes < maxPageBytes) {
    const batch = rows.slice(lookedAt, lookedAt + Math.min(atOnce, limit - data.length, maxLookedAt - lookedAt));
    // Each of them goes out under the operator's key as well.
    const granted = batch.filter(() => services.freeCalls.take(list.caller.userId, ports.now()) === 0);
    if (granted.length === 0) break;
    const found = await Promise.all(granted.map((row) => fetchItem(services, call, { ...list, ...row }))).catch(
      (error: unknown) => {
        ports.log("warn", "list_failed", { requestId: id, error: (error as Error).message });
        return null;
      },
    );
    if (found === null) return errorAnswer("upstream_failed", id, { message: "The model provider did not say." });
    lookedAt += granted.length;
    found.forEach((item, at) => {
      if (item === null || !fits(parseObject(item.toString()))) return;
      data.push(item);
      bytes += item.length;
      ids.push((granted[at] as { id: string }).id);
    });
  }
  if (lookedAt === 0 && rows.length > 0) return errorAnswer("rate_limit_exceeded", id, { retryAfterMs: 1_000 });
  const ends = JSON.stringify({
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
    has_more: lookedAt < rows.length,
  });
  const body = Buffer.concat([
    Buffer.from('{"object":"list","data":['),
    ...data.flatMap((item, at) => (at === 0 ? [item] : [comma, item])),
    Buffer.from(`],${ends.slice(1)}`),
  ]);
  return { status: 200, headers: { "content-type": "application/json", "x-request-id": id }, body };
}

const comma = Buffer.from(",");

/** Null where its upstream does not have it any more. @throws Error where it does not say */
async function fetchItem(
  { ports, upstreams }: GatewayServices,
  call: GatewayCall,
  { caller, route, id, upstreamId }: List & { id: string; upstreamId: string },
): Promise<Buffer | null> {
  const dispatched = await upstreams.dispatch(
    {
      method: "GET",
      path: `${route.path}/${id}`,
      headers: {},
      body: null,
      added: [],
      bodyWithout: () => null,
      model: route.endpoint.name,
      isStream: false,
      userId: caller.userId,
      upstreamId,
      signal: call.signal,
    },
    ports.listUpstreams(),
  );
  if ("fault" in dispatched) throw new ItemError(dispatched.fault);
  if (dispatched.answer.status === 404) return null;
  if (dispatched.answer.refusal) throw new ItemError(`status ${dispatched.answer.status}`);
  const { body } = dispatched.answer;
  return bufferOf(await body.readAll(maxItemBytes));
}

/** A page that leaves one out would say that it is not there. */
class ItemError extends Error {
  override readonly name = "ItemError";
}

function readLimit(search: URLSearchParams): number {
  const text = search.get("limit");
  if (text === null) return defaultPerPage;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= maxPerPage) return limit;
  throw new BodyError(`limit must be a whole number from 1 to ${maxPerPage}.`, "limit");
}

function readOrder(search: URLSearchParams): "asc" | "desc" {
  const order = search.get("order") ?? "asc";
  if (order === "asc" || order === "desc") return order;
  throw new BodyError("order must be asc or desc.", "order");
}

/** By `model`, and by members of the metadata (`metadata[name]=value`). */
function createFilter(search: URLSearchParams): Filter {
  const model = search.get("model");
  const wanted = [...search].flatMap(([name, value]) => {
    const key = /^metadata\[(.*)\]$/s.exec(name)?.[1];
    return key === undefined ? [] : [[key, value] as const];
  });
  return (item) => {
    if (model !== null && item.model !== model) return false;
    const metadata = isObject(item.metadata) ? item.metadata : {};
    return wanted.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value);
  };
}
