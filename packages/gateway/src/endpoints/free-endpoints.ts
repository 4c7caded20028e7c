/** Lists the endpoints whose calls cost nothing. */
import { conversations } from "./conversations.ts";
import type { FreeEndpoint } from "./free-endpoint.ts";
import { inputTokens } from "./input-tokens.ts";
import { moderations } from "./moderations.ts";
import { storedCompletions } from "./stored-completions.ts";
import { storedResponses } from "./stored-responses.ts";

export const freeEndpoints: readonly FreeEndpoint[] = [
  moderations,
  inputTokens,
  ...storedResponses,
  ...conversations,
  ...storedCompletions,
];
