/** Lists the endpoints that are billed. Names of keys' allow-lists, forms and metrics come from here. */
import { chatCompletions } from "./chat-completions.ts";
import { compact } from "./compact.ts";
import { completions } from "./completions.ts";
import { decisions } from "./decisions.ts";
import { embeddings } from "./embeddings.ts";
import type { Endpoint } from "./endpoint.ts";
import { imageEdits, imageGenerations } from "./images.ts";
import { responses } from "./responses.ts";

export const endpoints: readonly Endpoint[] = [
  chatCompletions,
  responses,
  compact,
  completions,
  embeddings,
  decisions,
  imageGenerations,
  imageEdits,
];
