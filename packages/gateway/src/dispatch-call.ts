/** Sends a call that is held for upstream, and hands on what comes back; where nothing does, the hold is settled. */
import { clockMs } from "./call-record.ts";
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { errorAnswer, type ErrorCode } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { noFacts } from "./metering/answer-facts.ts";
import type { Ports } from "./ports.ts";
import { captureOf, relayAnswer } from "./transport/relay.ts";
import type { UpstreamClient, UpstreamFault } from "./transport/upstream-client.ts";

export async function dispatchCall(
  { ports, upstreams }: { ports: Ports; upstreams: UpstreamClient },
  call: GatewayCall,
  exchange: Exchange,
): Promise<GatewayAnswer> {
  const { hold, facts, id } = exchange;
  const { record } = exchange.open;
  if (exchange.signal?.aborted) {
    await ports.settle({ hold, outcome: "released", reason: "client_left" });
    return errorAnswer("upstream_failed", id);
  }
  record.dispatchedAtMs = clockMs();
  const dispatched = await upstreams.dispatch(
    {
      method: exchange.endpoint.method,
      path: exchange.endpoint.path.slice("/v1".length),
      headers: call.headers,
      body: exchange.body,
      added: exchange.added,
      bodyWithout: exchange.bodyWithout,
      model: facts.model,
      isStream: facts.isStream,
      userId: exchange.userId,
      upstreamId: hold.upstreamId,
      signal: exchange.signal,
    },
    ports.listUpstreams(),
  );
  // It would keep the body as it came for as long as the answer lasts.
  exchange.bodyWithout = () => exchange.body;
  record.attempts = dispatched.attempts;
  if ("answer" in dispatched) {
    record.answeredAtMs = clockMs();
    return await relayAnswer(ports, exchange, dispatched.answer);
  }
  const { fault, attempts } = dispatched;
  ports.log("warn", "upstream_fault", { requestId: id, fault, attempts });
  await ports.settle(
    fault === "aborted"
      ? await captureOfPrompt(ports, exchange, attempts.at(-1)?.upstreamId ?? "")
      : { hold, outcome: "released", reason: fault },
  );
  return errorAnswer(faultCodes[fault], id);
}

/** The client left after its prompt had gone upstream and before a byte came back: the prompt is charged. */
const captureOfPrompt = (ports: Ports, exchange: Exchange, upstreamId: string) =>
  captureOf(
    ports,
    exchange,
    { status: 499, headers: {}, upstream: { id: upstreamId } },
    {
      facts: noFacts(),
      isStream: true,
      timeToFirstByteMs: null,
      isWhole: false,
      outputTokens: () => Promise.resolve(0),
    },
  );

export const faultCodes: Readonly<Record<UpstreamFault, ErrorCode>> = {
  unavailable: "upstream_unavailable",
  timeout: "upstream_timeout",
  failed: "upstream_failed",
  aborted: "upstream_failed",
};
