/** A stand-in for OpenAI: answers chat, responses and embeddings, with usage as the real one has it. */
import { LLMock } from "@copilotkit/aimock";

/** What every canned answer reports; 4 of its 12 input tokens were cached. */
export const cannedUsage = {
  prompt_tokens: 12,
  completion_tokens: 5,
  total_tokens: 17,
  prompt_tokens_details: { cached_tokens: 4 },
  input_tokens: 12,
  output_tokens: 5,
  input_tokens_details: { cached_tokens: 4 },
};

export async function startFakeOpenAi(port = 0): Promise<{ url: string; mock: LLMock; stop(): Promise<void> }> {
  const mock = new LLMock({ port, host: "127.0.0.1" });
  mock.onMessage(/.*/, { content: "Hello from the fake model.", usage: cannedUsage });
  mock.onEmbedding(/.*/, { embedding: [0.1, 0.2, 0.3] });
  await mock.start();
  return { url: `${mock.url}/v1`, mock, stop: () => mock.stop() };
}
