/**
 * One endpoint whose calls cost nothing: all that the gateway knows of it. Its calls go to a provider as they are, and what
 * they name must be their caller's own. Nothing else asks for its name.
 */
import type { BodyShape } from "../metering/body-shape.ts";
import type { ResourceKind } from "../ports.ts";

export type FreeEndpoint = {
  /** Stands in metrics and logs, e.g. `responses.retrieve`. */
  name: string;
  /** Stands in keys' allow-lists; several endpoints may share it, and share it with one that is billed. */
  allowedAs: string;
  method: "GET" | "POST" | "DELETE";
  /** `{response}` stands for the id of a resource of that kind, `{item}` for an id below it, as in `/v1/responses/{response}`. */
  path: string;
  /** The members of the query that go upstream; others are left out. */
  query: readonly string[];
  /** Says what the members of its body are; null: it has none. */
  shape: BodyShape | null;
  /** What its success makes of the caller's resources; null: nothing. */
  effect: { creates: ResourceKind } | { deletes: ResourceKind } | null;
  /** What it lists, from our own rows; null: it is no such list. */
  lists: ResourceKind | null;
};
