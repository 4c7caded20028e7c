import { describe, expect, test } from "vitest";
import { resourceKinds } from "../ports.ts";
import { freeEndpoints } from "./free-endpoints.ts";
import { createFreeRoutes } from "./free-routes.ts";
import { endpoints } from "./index.ts";

const routes = createFreeRoutes(freeEndpoints);

/** The path with an id in each place for one. */
const pathWith = (template: string, id: string) => template.replaceAll(/\{\w+\}/g, id);

describe.each(freeEndpoints.map((endpoint) => [endpoint.name, endpoint] as const))("%s", (_, endpoint) => {
  test("is found by its method and path, with the ids in it", () => {
    const route = routes.find(endpoint.method, pathWith(endpoint.path, "an-id_1.a:b"));
    expect(route?.endpoint).toBe(endpoint);
    expect(route?.path).toBe(pathWith(endpoint.path, "an-id_1.a:b").slice("/v1".length));
    const kinds = resourceKinds.filter((kind) => endpoint.path.includes(`{${kind}}`));
    expect(route?.resources).toEqual(kinds.map((kind) => ({ kind, id: "an-id_1.a:b", param: null })));
    expect(route?.hasBadId).toBe(false);
  });

  test("is not found by another method", () => {
    expect(routes.find("PATCH", pathWith(endpoint.path, "x"))).toBeNull();
    expect(routes.methodsOf(pathWith(endpoint.path, "x"))).toContain(endpoint.method);
  });

  const bad = ["..", ".", "a%2Fb", "a%2f..%2fb", "%00", "a%0Ab", "%", "%zz", "é", "%20", "a b", "-", "a".repeat(257)];
  test.skipIf(!endpoint.path.includes("{")).each(bad)("takes %j for no id", (id) => {
    expect(routes.find(endpoint.method, pathWith(endpoint.path, id))?.hasBadId).toBe(true);
  });
});

test("a path that is written out goes before one with an id in its place", () => {
  expect(routes.find("POST", "/v1/responses/input_tokens")?.endpoint.name).toBe("responses.input_tokens");
  expect(routes.find("GET", "/v1/responses/input_tokens")?.endpoint.name).toBe("responses.retrieve");
});

test.each(["/v1/responses/", "/v1//responses", "/v1/responses/a/b/c", "/v2/moderations", "/v1/moderations/x", "/"])(
  "%s is no path of any",
  (path) => {
    for (const method of ["GET", "POST", "DELETE"]) expect(routes.find(method, path)).toBeNull();
  },
);

test("names are their own, and no method of a path belongs to two", () => {
  const all = [...endpoints, ...freeEndpoints];
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  expect(new Set(all.map(({ method, path }) => `${method} ${path}`)).size).toBe(all.length);
});
