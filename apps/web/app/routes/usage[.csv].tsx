import type { LoaderFunctionArgs } from "@remix-run/node";
import { requireUser } from "../guards";
import { usageFilterOf } from "../usage-filter";

const pageSize = 1_000;
const maxRows = 200_000;

/** The filtered charges as CSV, page by page: a year of them does not have to fit into memory. */
export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller } = await requireUser(request, context);
  const filter = usageFilterOf(request);
  const encoder = new TextEncoder();
  const columns =
    "time,request_id,model,endpoint,key,input_tokens,cached_tokens,output_tokens,cost_usd,latency_ms,basis";
  let offset = -1;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (offset === -1) {
        controller.enqueue(encoder.encode(`${columns}\r\n`));
        offset = 0;
        return;
      }
      const rows = await caller.usage.list({ ...filter, limit: pageSize, offset });
      const lines = rows.map((row) =>
        [
          row.createdAt.toISOString(),
          row.requestId,
          cell(row.model),
          row.endpoint,
          cell(row.keyName),
          row.inputTokens,
          row.cachedTokens,
          row.outputTokens,
          row.costUsd,
          row.latencyMs,
          row.basis,
        ].join(","),
      );
      if (lines.length > 0) controller.enqueue(encoder.encode(`${lines.join("\r\n")}\r\n`));
      offset += pageSize;
      if (rows.length < pageSize || offset >= maxRows) controller.close();
    },
  });
  return new Response(body, {
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": `attachment; filename="usage-${filter.fromDay}-${filter.toDay}.csv"`,
    },
  });
}

/** Quoted; a text that a spreadsheet would take for a formula is made plain. */
const cell = (text: string): string => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
