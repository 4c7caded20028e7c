/**
 * One OpenAI request → one upstream call → one settled charge: match → authenticate → read the body → bound the cost →
 * hold → dispatch → meter → settle → release the tail. Money is held before the upstream is asked, and its capture is
 * written down before the client sees the end.
 */
import { answerFree } from "./answer-free.ts";
import { answerRead } from "./answer-read.ts";
import { authenticateCall } from "./authenticate-call.ts";
import type { RequestBudget } from "./budgets.ts";
import { clockMs } from "./call-record.ts";
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { clientKind } from "./client-kind.ts";
import { withStatus } from "./codex-status.ts";
import { dispatchCall } from "./dispatch-call.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";
import type { FreeRoutes } from "./endpoints/free-routes.ts";
import { errorAnswer } from "./errors.ts";
import type { OpenCall, Workshop } from "./exchange.ts";
import type { FreeCallLimit } from "./free-call-limit.ts";
import { claimName } from "./idempotency.ts";
import { createInputCount } from "./metering/estimate-tokens.ts";
import { readBody } from "./metering/read-body.ts";
import { textOfEdited, withMembers } from "./metering/scan-body.ts";
import type { Caller, Ports } from "./ports.ts";
import { refuse } from "./refusals.ts";
import type { UpstreamClient } from "./transport/upstream-client.ts";

/** All calls share these. */
export type GatewayServices = {
  ports: Ports;
  upstreams: UpstreamClient;
  workshop: Workshop;
  requests: RequestBudget;
  endpointsByPath: ReadonlyMap<string, Endpoint>;
  freeRoutes: FreeRoutes;
  freeCalls: FreeCallLimit;
  maxBodyBytes: () => number;
  heartbeatMs: number;
  /** To be called once an answer that is no plain bytes is over and settled. */
  done: (open: OpenCall) => void;
};

export async function handleCall(services: GatewayServices, call: GatewayCall, open: OpenCall): Promise<GatewayAnswer> {
  const { ports } = services;
  const { record } = open;
  const id = record.requestId;
  const pathname = pathOf(call);
  const endpoint = services.endpointsByPath.get(pathname);
  if (!endpoint || call.method !== endpoint.method) return answerUnbilled(services, call, { open, pathname });
  record.endpoint = endpoint.name;

  const found = authenticateCall(ports, call, endpoint.allowedAs ?? endpoint.name);
  const caller = found instanceof Promise ? await found : found;
  if ("refused" in caller) return refuse(caller, id, clientKind(call.headers));

  const held = () => answerBilled(services, call, { open, endpoint, caller });
  // Awaited, it is one turn of the promise's own; returned as it is, it would be three.
  return await (clientKind(call.headers) === "codex" ? withStatus(ports, caller, held) : held());
}

async function answerBilled(
  services: GatewayServices,
  call: GatewayCall,
  { open, endpoint, caller }: { open: OpenCall; endpoint: Endpoint; caller: Caller },
): Promise<GatewayAnswer> {
  const { ports, workshop } = services;
  const { record } = open;
  const id = record.requestId;
  if (isForm(call)) return errorAnswer("unsupported_encoding", id, { message: noForms });
  open.share = services.requests.open(caller.userId);
  const body = await readBody(call, open.share, {
    workshop,
    maxBodyBytes: services.maxBodyBytes(),
    userId: caller.userId,
    shape: endpoint.shape,
  });
  const facts = endpoint.readRequest(body);
  record.isStream = facts.isStream;

  const claim = claimIfNamed(services, call, { id, caller, body: body.bytes });
  const named = claim && (await claim);
  if (named && "answer" in named) return named.answer;

  const text = { bytes: body.bytes, inline: body.findings.inline };
  const input = createInputCount(workshop.tokenizer, text, facts.mediaTokens);
  const hold = await ports.placeHold({
    id,
    caller,
    endpoint: endpoint.name,
    hasOutput: endpoint.outputCap !== null,
    isStream: facts.isStream,
    model: facts.model,
    resources: facts.resources,
    stores: facts.stores,
    isNamed: named !== null,
    bound: facts.bound,
    countInputTokens: input.ceiling,
  });
  if ("refused" in hold) {
    await named?.giveUp();
    return refuse(hold, id, clientKind(call.headers));
  }
  record.hold = hold;
  record.heldAtMs = clockMs();

  const members = endpoint.rewriteBody({ body, facts, hold, caller });
  const bodyToSend = withMembers(body, members);
  // Awaited, it is one turn of the promise's own; returned as it is, it would be three.
  return await dispatchCall(services, call, {
    id,
    userId: caller.userId,
    apiKeyId: caller.apiKeyId,
    startedAtMs: open.startedAtMs,
    endpoint,
    facts,
    body: bodyToSend,
    added: addedMembers.filter((name) => name in members && !body.spans.has(name)),
    bodyWithout: (names) => withMembers(body, withoutMembers(members, names)),
    // The body as it came need not be kept for it.
    inputTokens: input.isCounted()
      ? input.estimate
      : createInputCount(workshop.tokenizer, textOfEdited(body, bodyToSend, members), facts.mediaTokens).estimate,
    workshop,
    hold,
    named,
    // A whole answer is fetched to its end even where its client has left, and a stream where the setting says so, or
    // where the model reasons: its cost is then exact.
    signal: facts.isStream && !hold.doesReason && !ports.drainsOnDisconnect() ? call.signal : null,
    clientSignal: () => call.signal,
    isCodex: clientKind(call.headers) === "codex",
    heartbeatMs: services.heartbeatMs,
    open,
    done: services.done,
  });
}

/** What costs nothing: a provider's answer, one of ours, or a refusal. */
function answerUnbilled(
  services: GatewayServices,
  call: GatewayCall,
  { open, pathname }: { open: OpenCall; pathname: string },
): Promise<GatewayAnswer> {
  const route = services.freeRoutes.find(call.method, pathname);
  if (route) return answerFree(services, call, { open, route });
  const billed = services.endpointsByPath.get(pathname)?.method ?? [];
  const methods = [...new Set([billed, services.freeRoutes.methodsOf(pathname)].flat())];
  return answerRead(services.ports, call, { record: open.record, pathname, methods });
}

const isForm = ({ headers }: GatewayCall): boolean =>
  typeof headers["content-type"] === "string" && /^\s*multipart\//i.test(headers["content-type"]);
const noForms =
  "Send JSON: forms (multipart/form-data) are not taken here. Pictures go in it as data URLs (image_url).";

/** What servers of other makes do not always know. Caps are not among them: they keep an answer within its hold. */
const addedMembers = ["safety_identifier", "stream_options"];

const withoutMembers = (members: Record<string, unknown>, names: ReadonlySet<string>) =>
  Object.fromEntries(Object.entries(members).filter(([name]) => !names.has(name)));

function pathOf({ path }: GatewayCall): string {
  const query = path.indexOf("?");
  return query === -1 ? path : path.slice(0, query);
}

function claimIfNamed(
  { ports, workshop }: GatewayServices,
  call: GatewayCall,
  { id, caller, body }: { id: string; caller: Caller; body: Uint8Array },
): ReturnType<typeof claimName> | null {
  const key = call.headers["idempotency-key"];
  return key === undefined ? null : claimName(ports, { key, path: call.path, id, caller, body, turns: workshop.turns });
}
