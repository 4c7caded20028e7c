/**
 * OpenTelemetry traces of the calls: one span per call, with its hold, each attempt at an upstream, and its settlement
 * below it. Spans are made once a call is over, from its record, so that a call itself never waits for its trace.
 */
import type { CallRecord } from "@codex-gateway/gateway";
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type HrTime,
  type Tracer,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

export type Traces = { observe(record: CallRecord, priceName: string | null): void; stop(): Promise<void> };

/** The exporter takes its endpoint, headers and timeouts from the variables that OpenTelemetry names for it. */
export function createTraces(endpoint: string | undefined): Traces | null {
  if (!endpoint) return null;
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": process.env.OTEL_SERVICE_NAME ?? "codex-gateway" }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 1_000 })],
  });
  // The package gives its types once for each module system; here they are ours.
  const tracer: Tracer = provider.getTracer("codex-gateway");

  return {
    observe: (record, priceName) => {
      const { receivedAtMs, heldAtMs, settlingAtMs, endedAtMs, status } = record;
      const call = tracer.startSpan(
        `/v1 ${record.endpoint ?? "unknown"}`,
        {
          kind: SpanKind.SERVER,
          startTime: hrTimeOf(receivedAtMs),
          attributes: {
            "http.response.status_code": status,
            "codex_gateway.request_id": record.requestId,
            "codex_gateway.is_stream": record.isStream,
            ...(priceName === null ? {} : { "gen_ai.request.model": priceName }),
            ...(record.errorCode === null ? {} : { "error.type": record.errorCode }),
          },
        },
        parentOf(record.traceparent),
      );
      if (status >= 500) call.setStatus({ code: SpanStatusCode.ERROR });
      const below = trace.setSpan(ROOT_CONTEXT, call);
      const child = (name: string, kind: SpanKind, startMs: number, endMs: number, attributes = {}) =>
        tracer.startSpan(name, { kind, startTime: hrTimeOf(startMs), attributes }, below).end(hrTimeOf(endMs));
      if (heldAtMs !== null) child("authenticate and hold", SpanKind.INTERNAL, receivedAtMs, heldAtMs);
      for (const {
        upstreamId,
        outcome,
        status: answered,
        startedAtMs,
        endedAtMs: attemptEndedAtMs,
      } of record.attempts) {
        const isLast = outcome === "answered" && settlingAtMs !== null;
        child("upstream", SpanKind.CLIENT, startedAtMs, isLast ? settlingAtMs : attemptEndedAtMs, {
          "codex_gateway.upstream_id": upstreamId,
          "codex_gateway.outcome": outcome,
          ...(answered === null ? {} : { "http.response.status_code": answered }),
        });
      }
      if (settlingAtMs !== null) child("settle", SpanKind.INTERNAL, settlingAtMs, endedAtMs);
      call.end(hrTimeOf(endedAtMs));
    },
    stop: () => provider.shutdown().catch(() => undefined),
  };
}

const hrTimeOf = (ms: number): HrTime => {
  const seconds = Math.trunc(ms / 1_000);
  return [seconds, Math.trunc((ms - seconds * 1_000) * 1_000_000)];
};

const traceparentFormat = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/;

/** The span that the client says is above this one (https://www.w3.org/TR/trace-context/). */
function parentOf(traceparent: string | null): Context {
  const [, traceId, spanId, flags] = traceparentFormat.exec(traceparent ?? "") ?? [];
  if (!traceId || !spanId || !flags) return ROOT_CONTEXT;
  const isSampled = (Number.parseInt(flags, 16) & TraceFlags.SAMPLED) !== 0;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  });
}
