/**
 * Calls that cost nothing: authenticate → count → read the body → find out where what it names lies, and whose it is → hand
 * on what that upstream answers. Nothing is held, so nothing is lost either way.
 */
import { answerList } from "./answer-list.ts";
import { authenticateCall } from "./authenticate-call.ts";
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { clientKind } from "./client-kind.ts";
import type { FreeEndpoint } from "./endpoints/free-endpoint.ts";
import type { FreeRoute } from "./endpoints/free-routes.ts";
import { errorAnswer } from "./errors.ts";
import type { OpenCall } from "./exchange.ts";
import type { GatewayServices } from "./handle.ts";
import { readBody } from "./metering/read-body.ts";
import { readName, readResources } from "./metering/request-facts.ts";
import type { Caller, ResourceRef } from "./ports.ts";
import { refuse } from "./refusals.ts";
import { relayFree } from "./transport/relay-free.ts";

export async function answerFree(
  services: GatewayServices,
  call: GatewayCall,
  { open, route }: { open: OpenCall; route: FreeRoute },
): Promise<GatewayAnswer> {
  const { ports } = services;
  const { endpoint } = route;
  const id = open.record.requestId;
  const client = clientKind(call.headers);
  open.record.endpoint = endpoint.name;
  const caller = await authenticateCall(ports, call, endpoint.allowedAs);
  if ("refused" in caller) return refuse(caller, id, client);
  const retryAfterMs = services.freeCalls.take(caller.userId, ports.now());
  if (retryAfterMs > 0) {
    const message = "Too many free requests of this user in a minute.";
    return errorAnswer("rate_limit_exceeded", id, { message, retryAfterMs });
  }
  open.share = services.requests.open(caller.userId);
  const { body, model, resources } = await readFreeRequest(services, call, { open, caller, endpoint });
  if (route.hasBadId) return errorAnswer("resource_not_found", id);
  if (endpoint.lists !== null) return answerList(services, call, { open, caller, route, kind: endpoint.lists });
  const { effect } = endpoint;
  const creates = effect && "creates" in effect ? effect.creates : null;
  const place = await ports.resources.locate({
    caller,
    resources: [...route.resources, ...resources],
    model,
    creates,
  });
  if ("refused" in place) return refuse(place, id, client);
  const upstreamCall = {
    method: endpoint.method,
    path: route.path + queryOf(call, endpoint),
    headers: call.headers,
    body,
    added: [],
    bodyWithout: () => body,
    model: model ?? endpoint.name,
    isStream: false,
    userId: caller.userId,
    upstreamId: place.upstreamId,
    // What it changes is written down, whether or not its client has left.
    signal: effect === null ? call.signal : null,
  };
  return relayFree(services, upstreamCall, { open, caller, route });
}

type FreeRequest = { body: Uint8Array | null; model: string | null; resources: readonly ResourceRef[] };

async function readFreeRequest(
  { workshop, maxBodyBytes }: GatewayServices,
  call: GatewayCall,
  { open, caller, endpoint }: { open: OpenCall; caller: Caller; endpoint: FreeEndpoint },
): Promise<FreeRequest> {
  if (endpoint.shape === null || open.share === null) return { body: null, model: null, resources: [] };
  const body = await readBody(call, open.share, {
    workshop,
    maxBodyBytes: maxBodyBytes(),
    userId: caller.userId,
    shape: endpoint.shape,
  });
  return { body: body.bytes, model: readName(body, "model", 256), resources: readResources(body) };
}

/** What of the query goes upstream. */
function queryOf({ path }: GatewayCall, endpoint: FreeEndpoint): string {
  const at = path.indexOf("?");
  if (at === -1 || endpoint.query.length === 0) return "";
  const query = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(path.slice(at))) {
    if (endpoint.query.includes(name)) query.append(name, value);
  }
  return query.size === 0 ? "" : `?${query.toString()}`;
}
