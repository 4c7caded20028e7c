import { expect, test } from "vitest";
import { testUpstream } from "./test-upstream.ts";

type Probe = Parameters<typeof testUpstream>[0]["probe"];
type Answer = Awaited<ReturnType<Probe>>;

const upstream = { baseUrl: "https://api.example.com/v1", apiKey: "sk-key", isPrivateAllowed: false };
const failed = (code: string) => ({ error: Object.assign(new Error(code), { code }) }) as Answer;
const answered = (status: number) => ({ status }) as Answer;

test.each([
  ["a host that is not found", failed("ENOTFOUND"), "baseUrl", "The upstream's host was not found."],
  ["a connection that is refused", failed("ECONNREFUSED"), "baseUrl", "The upstream cannot be reached."],
  ["silence", failed("UND_ERR_CONNECT_TIMEOUT"), "baseUrl", "The upstream did not answer in time."],
  ["a certificate that is none", failed("DEPTH_ZERO_SELF_SIGNED_CERT"), "baseUrl", "The upstream cannot be reached."],
  ["a path that is none", answered(404), "baseUrl", "The upstream answered with status 404."],
  ["a key that is refused", answered(401), "apiKey", "The upstream refuses this key."],
  ["a key without leave", answered(403), "apiKey", "The upstream refuses this key."],
])("%s is said beside its field", async (_what, answer, field, message) => {
  expect(await testUpstream({ probe: () => Promise.resolve(answer) }, upstream)).toEqual({ field, message });
});

test("an upstream that lists its models is well", async () => {
  expect(await testUpstream({ probe: () => Promise.resolve(answered(200)) }, upstream)).toBeNull();
});
