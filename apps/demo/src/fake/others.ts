/** Embeddings, moderations, decisions and images. */
import { newId, nowSeconds, ok, stream, tokens, type Json, type Reply, type Routes } from "./reply.ts";

const vector = [0.1, 0.2, 0.3];
const inBase64 = (numbers: readonly number[]): string =>
  Buffer.from(Float32Array.from(numbers).buffer).toString("base64");

/** A picture of one pixel. */
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const imageUsage = {
  input_tokens: 20,
  input_tokens_details: { text_tokens: 12, image_tokens: 8 },
  output_tokens: 272,
  total_tokens: 292,
};
const svgUsage = { input_tokens: 300, output_tokens: 150, total_tokens: 450 };

export const others: Routes = {
  "GET /models": () =>
    ok({ object: "list", data: [{ id: "gpt-4o-mini", object: "model", created: 0, owned_by: "fake" }] }),
  "POST /embeddings": ({ body }) => {
    const inputs = Array.isArray(body.input) && typeof body.input[0] !== "number" ? body.input : [body.input];
    const embedding = body.encoding_format === "base64" ? inBase64(vector) : vector;
    return ok({
      object: "list",
      model: body.model,
      data: inputs.map((_, index) => ({ object: "embedding", index, embedding })),
      // As some servers do: they count nothing.
      usage: { prompt_tokens: 0, total_tokens: 0 },
    });
  },
  "POST /moderations": ({ body }) =>
    ok({
      id: newId("modr"),
      model: body.model ?? "omni-moderation-latest",
      results: [{ flagged: false, categories: {}, category_scores: {}, category_applied_input_types: {} }],
    }),
  "POST /decisions": ({ body }) =>
    ok({
      model: body.model,
      answers: (body.questions as Json[]).map(({ type, name }) => ({ type, name: name ?? null, probability: 0.9 })),
      usage: {
        input_tokens: tokens.input,
        input_tokens_details: { cached_tokens: tokens.cached },
        output_tokens: tokens.output,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: tokens.input + tokens.output,
      },
    }),
  "POST /images/generations": ({ body }) => createImage(body, "image_generation"),
  "POST /images/edits": ({ body }) => createImage(body, "image_edit"),
};

function createImage(body: Json, kind: "image_generation" | "image_edit"): Reply {
  const isSvg = body.output_format === "svg";
  const usage = { usage: imageUsage, ...(isSvg ? { svg_usage: svgUsage } : {}) };
  const described = { created: nowSeconds(), background: "opaque", output_format: body.output_format ?? "png" };
  if (body.stream !== true) {
    const data = Array.from({ length: Number(body.n ?? 1) }, () => ({ b64_json: picture }));
    return ok({ ...described, quality: "medium", size: "1024x1024", data, ...usage });
  }
  const event = (type: string, rest: Json) =>
    `event: ${kind}.${type}\ndata: ${JSON.stringify({ type: `${kind}.${type}`, b64_json: picture, ...rest })}\n\n`;
  const partial = Array.from({ length: Number(body.partial_images ?? 0) }, (_, partial_image_index) =>
    event("partial_image", { created_at: nowSeconds(), partial_image_index }),
  );
  return stream([...partial, event("completed", { created_at: nowSeconds(), ...usage })]);
}
