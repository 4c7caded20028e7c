/**
 * Paths of the OpenAI API that are not served here and will not be, each with a sentence that says why: what OpenAI has
 * ended, or is about to (https://developers.openai.com/api/docs/deprecations), and what is the operator's own.
 */

type EndedPath = { path: string; status: 404 | 410; sentence: string };

const paths: readonly EndedPath[] = [
  ended("/v1/assistants", "The Assistants API", "2026-08-26", "Use /v1/responses."),
  ended("/v1/threads", "The Assistants API", "2026-08-26", "Use /v1/responses."),
  ended("/v1/videos", "The Videos API", "2026-09-24"),
  ended("/v1/images/variations", "Variations of images", "2026-05-12", "Use /v1/images/edits."),
  ended("/v1/evals", "The Evals API", "2026-11-30"),
  ended("/v1/prompts", "The Prompts API", "2026-11-30", "Send the prompt's text itself."),
  ended("/v1/fine-tunes", "The first fine-tuning API", "2024-01-04"),
  operators("/v1/fine_tuning", "Fine-tuning"),
  operators("/v1/organization", "The administration of an organization"),
  operators("/v1/projects", "The administration of projects"),
];

function ended(path: string, what: string, day: string, instead = ""): EndedPath {
  return { path, status: 410, sentence: `${what} ends at OpenAI on ${day} and is not offered here. ${instead}`.trim() };
}

function operators(path: string, what: string): EndedPath {
  return { path, status: 404, sentence: `${what} is the operator's own and is not offered here.` };
}

/** Null for a path that is none of these, or below one. */
export const findEndedPath = (pathname: string): EndedPath | null =>
  paths.find(({ path }) => pathname === path || pathname.startsWith(`${path}/`)) ?? null;
