/**
 * The border of the pages' port: what a request must be before anything of it is parsed. Its body is read here, whole
 * and bounded, so that neither a form nor a procedure ever meets one that is too large, too slow or unreadable.
 */
import type { BodyBudget } from "./body-budget.ts";

/** Of every form, every procedure and every log-in; the largest form that there is has 55 KiB. */
export const maxBodyBytes = 64 * 1024;
const maxFormFields = 1_000;
const maxUrlLength = 8 * 1024;
const maxQueryFields = 100;
/** For the whole body. */
const defaultBodyMs = 20_000;

export type Refusal = { status: number; message: string };
/** The request with its body in memory, until `release`. */
type Admitted = { request: Request; release: () => void };

export type Border = {
  budget: BodyBudget;
  address: string;
  /** What its body may be: a form of a page, JSON, or what its reader makes of it. */
  body: "form" | "json" | "any";
  bodyMs?: number;
};

const refuse = (status: number, message: string): Refusal => ({ status, message });
export const isRefusal = (outcome: Admitted | Refusal): outcome is Refusal => "status" in outcome;

/** Never rejects. A refused body may be unread in part: its connection cannot be used again. */
export async function admitRequest(request: Request, border: Border): Promise<Admitted | Refusal> {
  const refusal = refusalOfHead(request, border.body);
  if (refusal) return refusal;
  if (request.method !== "POST" || !request.body) return { request, release: () => undefined };
  const held = { bytes: 0 };
  const release = () => {
    border.budget.giveBack(border.address, held.bytes);
    held.bytes = 0;
  };
  const body = await readBody(request.body, border, held);
  const outcome = body instanceof Uint8Array ? await withBody(request, body, border.body) : body;
  if (outcome instanceof Request) return { request: outcome, release };
  release();
  return outcome;
}

function refusalOfHead({ url, method, headers }: Request, body: Border["body"]): Refusal | null {
  if (!/^(?:GET|HEAD|POST)$/.test(method)) return refuse(405, "Use GET or POST.");
  if (url.length > maxUrlLength) return refuse(414, "The address is too long.");
  if (countOf(url, "&") > maxQueryFields) return refuse(400, "The address has too many fields.");
  if (method !== "POST") return null;
  if (!/^(?:identity)?$/i.test(headers.get("content-encoding") ?? "")) {
    return refuse(415, "Send the body without a content encoding.");
  }
  if (Number(headers.get("content-length") ?? 0) > maxBodyBytes) return tooLarge;
  const type = mediaTypeOf(headers);
  if (body === "json" && type !== jsonType) return refuse(415, "Send application/json.");
  if (body === "form" && type !== "" && !formTypes.includes(type)) return refuse(415, "Send a form.");
  return null;
}

const tooLarge = refuse(413, "The body is too large.");
const jsonType = "application/json";
const formType = "application/x-www-form-urlencoded";
const formTypes = [formType, "multipart/form-data"];

const mediaTypeOf = (headers: Headers): string =>
  (headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";

function countOf(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) count++;
  return count;
}

async function readBody(
  body: ReadableStream<Uint8Array>,
  { budget, address, bodyMs = defaultBodyMs }: Border,
  held: { bytes: number },
): Promise<Uint8Array | Refusal> {
  const reader = body.getReader();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Refusal>((resolve) => {
    timer = setTimeout(() => resolve(refuse(408, "The body took too long to arrive.")), bodyMs);
  });
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if ("status" in next) return next;
      if (next.done) return Buffer.concat(chunks, held.bytes);
      const { length } = next.value;
      if (held.bytes + length > maxBodyBytes) return tooLarge;
      if (!budget.take(address, length)) return refuse(429, "Too much is being sent at once. Try again in a moment.");
      held.bytes += length;
      chunks.push(next.value);
    }
  } catch {
    return refuse(400, "The body broke off.");
  } finally {
    clearTimeout(timer);
    // A read that is still waited for ends here; nobody wants to know how.
    reader.closed.catch(() => undefined);
    reader.releaseLock();
  }
}

/** The same request over a body that is there. A form is parsed once here, to see whether it is one. */
async function withBody(request: Request, bytes: Uint8Array, body: Border["body"]): Promise<Request | Refusal> {
  const headers = new Headers(request.headers);
  headers.delete("transfer-encoding");
  if (body === "form") {
    if (mediaTypeOf(headers) === "" && bytes.length > 0) return refuse(415, "Send a form.");
    if (mediaTypeOf(headers) === "") headers.set("content-type", formType);
    const refusal = await refusalOfForm(bytes, headers.get("content-type") ?? formType);
    if (refusal) return refusal;
  }
  const { url, method, signal } = request;
  return new Request(url, { method, headers, signal, body: Buffer.from(bytes) });
}

async function refusalOfForm(bytes: Uint8Array, contentType: string): Promise<Refusal | null> {
  try {
    const form = await new Response(Buffer.from(bytes), { headers: { "content-type": contentType } }).formData();
    return [...form].length > maxFormFields ? refuse(400, "The form has too many fields.") : null;
  } catch {
    return refuse(400, "The form cannot be read.");
  }
}
