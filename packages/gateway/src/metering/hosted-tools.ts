/**
 * Tools that run at the provider's and are billed beside the tokens, in no usage object: bounded by what the request asks
 * for, counted from the items of the answer.
 */
import type { Usage } from "../ports.ts";
import { BodyError } from "../transport/body-error.ts";

/** Sent upstream where the client sets no `max_tool_calls`, so that the hold covers what is called. */
export const defaultMaxToolCalls = 16;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

/** Tools that the client itself runs, or that are no more than their own text. */
const clientTools = new Set(["function", "custom", "tool_search", "local_shell", "apply_patch", "namespace"]);

/** Tells whether the provider runs the tool: what it finds is input then. One that nobody knows may be such a one. */
export function isHostedTool(tool: { type?: unknown; container?: unknown; environment?: unknown }): boolean {
  const { type } = tool;
  if (typeof type !== "string" || clientTools.has(type) || type.startsWith("computer")) return false;
  return type !== "shell" || containerGigabytesOf(tool) > 0;
}

/** The class that a call of the tool is counted in; null: the tool costs its tokens only, or it needs a container. */
function callClassOf(type: unknown): string | null {
  if (typeof type !== "string") return null;
  if (type.startsWith("web_search")) return "web_search_call";
  return type === "file_search" || type === "image_generation" ? `${type}_call` : null;
}

/** What a request's tools can come to at most, by price class. @throws BodyError where a stored container is named */
export function boundHostedTools(tools: unknown, maxToolCalls: number | null): Usage {
  const units: Usage = {};
  for (const tool of Array.isArray(tools) ? tools.filter(isObject) : []) {
    const callClass = callClassOf(tool.type);
    if (callClass) units[callClass] = maxToolCalls ?? defaultMaxToolCalls;
    const gigabytes = containerGigabytesOf(tool);
    if (gigabytes > 0) units.container_gb = (units.container_gb ?? 0) + gigabytes;
  }
  return units;
}

/** The memory of the container that a tool brings up, in GB; 0: it needs none of the provider's. */
function containerGigabytesOf(tool: Json): number {
  const container = tool.type === "code_interpreter" ? tool.container : tool.type === "shell" ? tool.environment : null;
  const isNamed = typeof container === "string" || (isObject(container) && container.type === "container_reference");
  if (isNamed) throw new BodyError("Stored containers are not offered here.", "tools");
  if (!isObject(container)) return tool.type === "code_interpreter" ? 1 : 0;
  if (tool.type === "shell" && container.type !== "container_auto") return 0;
  const [, gigabytes] =
    /^(\d{1,3})g$/.exec(typeof container.memory_limit === "string" ? container.memory_limit : "") ?? [];
  return Number(gigabytes ?? 1);
}

/** Calls so far, from output items as they come; a container counts once, however often it is called. */
export type HostedCalls = { units: Usage; hasContainer: boolean };

export const noHostedCalls = (): HostedCalls => ({ units: {}, hasContainer: false });

/** No response uses more of a tool. */
const maxUnits = 10_000_000;

const counted = new Set(["web_search_call", "file_search_call", "image_generation_call"]);
const inContainers = new Set(["code_interpreter_call", "shell_call"]);

export function countHostedCall(calls: HostedCalls, item: unknown): void {
  if (!isObject(item) || typeof item.type !== "string") return;
  if (inContainers.has(item.type)) calls.hasContainer = true;
  // Opening a page that a search has found, and looking for a word on it, is no search.
  const isFree = isObject(item.action) && item.type === "web_search_call" && item.action.type !== "search";
  if (counted.has(item.type) && !isFree) calls.units[item.type] = (calls.units[item.type] ?? 0) + 1;
}

/** A response's `tool_usage`: where the provider states what its tools came to, that counts instead of the items. */
export function countToolUsage(calls: HostedCalls, toolUsage: unknown): void {
  if (!isObject(toolUsage)) return;
  const stated: Usage = {};
  const { web_search: search, image_gen: images } = toolUsage;
  const searches = isObject(search) ? countIn(search, "num_requests") : null;
  if (searches !== null) stated.web_search_call = searches;
  if (isObject(images) && countIn(images, "output_tokens") !== null) {
    stated.image_generation_call = 0;
    Object.assign(stated, imageToolUnits(images, "input", "in"), imageToolUnits(images, "output", "out"));
  }
  const units = Object.entries({ ...calls.units, ...stated });
  calls.units = Object.fromEntries(units.filter(([, count]) => count > 0));
}

/** Tokens of the image tool's own model; what no split names is of the dearer kind. */
function imageToolUnits(images: Json, side: "input" | "output", direction: "in" | "out"): Usage {
  const all = countIn(images, `${side}_tokens`) ?? 0;
  const details = images[`${side}_tokens_details`];
  const text = Math.min(all, (isObject(details) ? countIn(details, "text_tokens") : null) ?? 0);
  return { [`image_tool_text_${direction}`]: text, [`image_tool_image_${direction}`]: all - text };
}

/** A whole number of zero or more; null where it is none. */
function countIn(from: Json, name: string): number | null {
  const value = from[name];
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < maxUnits
    ? (value as number)
    : null;
}

/** What is charged for: the calls, and the containers that the request asked for where one was used. */
export function hostedUnits(calls: HostedCalls, bound: Usage): Usage {
  if (!calls.hasContainer || !bound.container_gb) return calls.units;
  return { ...calls.units, container_gb: bound.container_gb };
}
