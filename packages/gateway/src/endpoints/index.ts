/** Which paths the gateway answers. Everything else is a 404 in OpenAI's shape. */

export type Endpoint = {
  name: "chat.completions" | "responses" | "completions" | "embeddings";
  method: "POST";
  path: string;
  /** The body's member that caps the output, per choice; null where there is no output to cap. */
  outputCap: "max_completion_tokens" | "max_output_tokens" | "max_tokens" | null;
};

export const endpoints: readonly Endpoint[] = [
  {
    name: "chat.completions",
    method: "POST",
    path: "/v1/chat/completions",
    outputCap: "max_completion_tokens",
  },
  { name: "responses", method: "POST", path: "/v1/responses", outputCap: "max_output_tokens" },
  { name: "completions", method: "POST", path: "/v1/completions", outputCap: "max_tokens" },
  { name: "embeddings", method: "POST", path: "/v1/embeddings", outputCap: null },
];
