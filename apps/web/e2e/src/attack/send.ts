/** One request of an attacker, from an address of its own on this machine's loopback. */
import { Agent, request } from "node:http";

/** So many addresses in all: 127.0.1.1 to 127.0.1.12. */
const attackerAddresses = 12;
export const addressOf = (n: number): string => `127.0.1.${(n % attackerAddresses) + 1}`;

const patienceMs = 20_000;
const shared = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 64 });

export type Sent = {
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** Which of the attacker's addresses it comes from. */
  from?: number;
  /** Connections of its own instead of those that all requests share. */
  agent?: Agent;
  signal: AbortSignal;
};

/** Sends it and reads the answer to its end; the status, and `cut` where the answer broke off. */
export function send(
  url: string,
  { method = "POST", headers = {}, body, from = 0, agent = shared, signal }: Sent,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const sent = request(url, {
      method,
      headers: { ...length, ...headers },
      agent,
      localAddress: addressOf(from),
      signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      response.on("error", () => resolve(`${response.statusCode} cut`));
      response.on("end", () => resolve(String(response.statusCode)));
      response.resume();
    });
    sent.end(body);
  });
}

const asJson = { "content-type": "application/json" };

/** A call of /v1 with somebody's key. */
export const callApi = (
  api: string,
  path: string,
  apiKey: string,
  { body, ...rest }: Omit<Sent, "body"> & { body: Uint8Array | string | object },
): Promise<string> =>
  send(api + path, {
    ...rest,
    headers: { ...asJson, authorization: `Bearer ${apiKey}`, ...rest.headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });

/** A procedure of the pages' port, as their own scripts call it. */
export const mutate = (
  web: string,
  procedure: string,
  input: object,
  { cookie = "", ...rest }: Sent & { cookie?: string },
): Promise<string> =>
  send(`${web}/api/trpc/${procedure}`, {
    ...rest,
    headers: { ...asJson, origin: web, cookie },
    body: JSON.stringify(input),
  });

/** A chat whose answer follows a script of the attacked gateway's upstream (upstream.ts). */
export const scripted = (script: string, { model = "gpt-4o-mini", content = "", isStream = false } = {}): object => ({
  model,
  max_tokens: 200,
  stream: isStream,
  messages: [{ role: "user", content: `script=${script} ${content}` }],
});
