import { expect, test } from "vitest";
import { admitRequest, isRefusal, maxBodyBytes, type Border } from "./admit-request.ts";
import { createBodyBudget } from "./body-budget.ts";

const form = { "content-type": "application/x-www-form-urlencoded" };

/** In pieces, so that its length is known only once all of it is there; it ends where `isOpen` does not say otherwise. */
function bodyOf(pieces: string[], isOpen = false): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(Buffer.from(piece));
      if (!isOpen) controller.close();
    },
  });
}

type Own = Partial<Border> & { headers?: Record<string, string> };

function admit(body: ReadableStream<Uint8Array>, { headers = form, ...own }: Own = {}) {
  const init = { method: "POST", headers, body, duplex: "half" } as RequestInit;
  const border: Border = { budget: createBodyBudget(), address: "192.0.2.1", body: "form", ...own };
  return admitRequest(new Request("http://gateway.test/login", init), border);
}

const statusOf = async (outcome: ReturnType<typeof admit>) => {
  const admitted = await outcome;
  return isRefusal(admitted) ? admitted.status : 200;
};

test("a form in pieces arrives whole", async () => {
  const admitted = await admit(bodyOf(["email=a%40b", ".example&pass", "word=x"]));
  if (isRefusal(admitted)) throw new Error(admitted.message);
  expect([...(await admitted.request.formData())]).toEqual([
    ["email", "a@b.example"],
    ["password", "x"],
  ]);
});

test("a body that is dribbled ends after a while, with what was held of it", async () => {
  const budget = createBodyBudget({ addressBytes: 2 });
  expect(await statusOf(admit(bodyOf(["a="], true), { budget, bodyMs: 20 }))).toBe(408);
  expect(await statusOf(admit(bodyOf(["a="]), { budget }))).toBe(200);
});

test("what was promised does not count, only what comes", async () => {
  const headers = { ...form, "content-length": "5" };
  expect(await statusOf(admit(bodyOf(["a".repeat(maxBodyBytes)]), { headers }))).toBe(200);
  expect(await statusOf(admit(bodyOf(["a".repeat(maxBodyBytes), "b"]), { headers }))).toBe(413);
});

test("a body that breaks off is a 400", async () => {
  const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("gone")) });
  expect(await statusOf(admit(broken))).toBe(400);
});

test("one address holds so much at a time, and all together", async () => {
  const budget = createBodyBudget({ totalBytes: 10, addressBytes: 6 });
  const from = (address: string) => admit(bodyOf(["a=1&b"]), { budget, address });
  const first = await from("2001:db8:1:2::1");
  expect(await statusOf(from("2001:db8:1:2:ffff::9"))).toBe(429);
  const second = await from("2001:db8:1:3::1");
  expect(await statusOf(from("192.0.2.7"))).toBe(429);
  for (const admitted of [first, second]) if (!isRefusal(admitted)) admitted.release();
  expect(await statusOf(from("192.0.2.7"))).toBe(200);
});

test("twice released is once given back", async () => {
  const budget = createBodyBudget({ totalBytes: 5 });
  const admitted = await admit(bodyOf(["a=1&b"]), { budget });
  if (isRefusal(admitted)) throw new Error(admitted.message);
  admitted.release();
  admitted.release();
  expect(await statusOf(admit(bodyOf(["a=1&bc"]), { budget }))).toBe(429);
});

test.each(["application/json", "application/json; charset=utf-8", "Application/JSON"])("%s is JSON", async (type) => {
  expect(await statusOf(admit(bodyOf(["{}"]), { body: "json", headers: { "content-type": type } }))).toBe(200);
});

test.each(["", "text/json", "application/jsonx", "application/x-www-form-urlencoded", "text/plain; application/json"])(
  "%j is no JSON",
  async (type) => {
    expect(await statusOf(admit(bodyOf(["{}"]), { body: "json", headers: { "content-type": type } }))).toBe(415);
  },
);
