/** Finds the free endpoint that a method and a path name, and the ids that stand in the path. */
import type { ResourceRef } from "../ports.ts";
import { resourceKinds } from "../ports.ts";
import type { FreeEndpoint } from "./free-endpoint.ts";

export type FreeRoute = {
  endpoint: FreeEndpoint;
  /** As it goes upstream, behind `/v1`. */
  path: string;
  resources: ResourceRef[];
  /** An id that no resource can have: whatever is asked of it, it is not there. */
  hasBadId: boolean;
};

export type FreeRoutes = {
  find(method: string, pathname: string): FreeRoute | null;
  /** The methods that a path has; empty: no endpoint has it. */
  methodsOf(pathname: string): string[];
};

/** As providers write ids. Anything else would be another path to some server, or none that a database takes. */
const idPattern = /^[A-Za-z0-9][\w.:-]{0,255}$/;

export const isId = (text: string): boolean => idPattern.test(text);

type Segment = { text: string } | { id: string };
type Template = { endpoint: FreeEndpoint; segments: Segment[] };

export function createFreeRoutes(endpoints: readonly FreeEndpoint[]): FreeRoutes {
  const byLength = new Map<number, Template[]>();
  for (const endpoint of endpoints) {
    const segments = endpoint.path.split("/").map(segmentOf);
    byLength.set(segments.length, [...(byLength.get(segments.length) ?? []), { endpoint, segments }]);
  }
  // A path that is written out goes before one that has an id in its place.
  for (const templates of byLength.values()) templates.sort((a, b) => idsIn(a) - idsIn(b));

  const fitting = (pathname: string): { template: Template; parts: string[] }[] => {
    const parts = pathname.split("/");
    const templates = byLength.get(parts.length) ?? [];
    return templates.filter((template) => fits(template, parts)).map((template) => ({ template, parts }));
  };

  return {
    find: (method, pathname) => {
      const found = fitting(pathname).find(({ template }) => template.endpoint.method === method);
      return found ? routeOf(found.template, found.parts) : null;
    },
    methodsOf: (pathname) => [...new Set(fitting(pathname).map(({ template }) => template.endpoint.method))],
  };
}

const segmentOf = (text: string): Segment => {
  const name = /^\{(\w+)\}$/.exec(text)?.[1];
  return name === undefined ? { text } : { id: name };
};

const idsIn = ({ segments }: Template): number => segments.filter((segment) => "id" in segment).length;

const fits = ({ segments }: Template, parts: readonly string[]): boolean =>
  segments.every((segment, at) => ("text" in segment ? segment.text === parts[at] : parts[at] !== ""));

function routeOf({ endpoint, segments }: Template, parts: readonly string[]): FreeRoute {
  const route: FreeRoute = { endpoint, path: "", resources: [], hasBadId: false };
  segments.slice("/v1".split("/").length).forEach((segment, at) => {
    const part = parts[at + "/v1".split("/").length] ?? "";
    const id = "id" in segment ? decoded(part) : part;
    if ("id" in segment && !isId(id)) route.hasBadId = true;
    const kind = "id" in segment ? resourceKinds.find((each) => each === segment.id) : undefined;
    if (kind) route.resources.push({ kind, id, param: null });
    route.path += `/${id}`;
  });
  return route;
}

/** What cannot be decoded is no id either. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
