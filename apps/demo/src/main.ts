/** Starts the demo, says how to use it, and prints as its last line where everything is, as JSON. */
import { fileURLToPath } from "node:url";
import { startDemo } from "./demo.ts";

const folder = fileURLToPath(new URL("../../../data", import.meta.url));

try {
  const demo = await startDemo({ port: process.env.PORT ?? "3000", apiPort: process.env.API_PORT ?? "8080", folder });
  let isStopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      demo.stop().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
  }
  const { web, api, apiKey, owner, user, upstream } = demo;
  console.log(`The demo runs; Ctrl-C ends all of it.

Pages: ${web} (owner ${owner.email} / ${owner.password}, user ${user.email} / ${user.password})

Try it:
  export CODEX_GATEWAY_KEY=${apiKey}
  curl ${api}/chat/completions \\
    -H "Authorization: Bearer $CODEX_GATEWAY_KEY" -H "Content-Type: application/json" \\
    -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'

Codex CLI, in ~/.codex/config.toml, with the same CODEX_GATEWAY_KEY in the environment:
  model = "gpt-4o-mini"
  model_provider = "gateway"

  [model_providers.gateway]
  name = "Codex Gateway"
  base_url = "${api}"
  env_key = "CODEX_GATEWAY_KEY"
  wire_api = "responses"
`);
  console.log(JSON.stringify({ web, api, apiKey, owner, user, upstream }));
} catch (error) {
  console.error(`The demo cannot start: ${(error as Error).message}`);
  process.exit(1);
}
