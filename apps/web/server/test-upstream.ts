/** Asks an upstream for its models: whether address and key work, before they are saved. */
const timeoutMs = 10_000;

/** Null where it answered as OpenAI does; else why not, in one sentence. */
export async function testUpstream({ baseUrl, apiKey }: { baseUrl: string; apiKey: string }): Promise<string | null> {
  try {
    const response = await fetch(`${baseUrl}/models`, {
      headers: { authorization: `Bearer ${apiKey}` },
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) return "The upstream refuses this key.";
    return response.ok ? null : `The upstream answered with status ${response.status}.`;
  } catch (error) {
    return faultOf(error);
  }
}

function faultOf(error: unknown): string {
  const { name, cause } = error as Error & { cause?: { code?: string } };
  if (name === "TimeoutError") return "The upstream did not answer in time.";
  const isUnknownHost = cause?.code === "ENOTFOUND" || cause?.code === "EAI_AGAIN";
  return isUnknownHost ? "The upstream's host was not found." : "The upstream cannot be reached.";
}
