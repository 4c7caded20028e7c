/** How the common clients are pointed at this gateway, with the secret filled in. */
import { useRef, useState } from "react";
import { useTexts } from "../i18n/use-texts";
import { CopyButton } from "./ui/copy-button";

const model = "gpt-4o-mini";

const snippets: readonly { name: string; of: (apiUrl: string, secret: string) => string }[] = [
  {
    name: "curl",
    of: (apiUrl, secret) => `curl ${apiUrl}/chat/completions \\
  -H "Authorization: Bearer ${secret}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  {
    name: "Node",
    of: (apiUrl, secret) => `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${apiUrl}",
  apiKey: "${secret}",
});
const response = await client.responses.create({ model: "${model}", input: "Hello" });
console.log(response.output_text);`,
  },
  {
    name: "Python",
    of: (apiUrl, secret) => `from openai import OpenAI

client = OpenAI(
    base_url="${apiUrl}",
    api_key="${secret}",
)
response = client.responses.create(model="${model}", input="Hello")
print(response.output_text)`,
  },
  {
    name: "Codex",
    of: (apiUrl, secret) => `# ~/.codex/config.toml
model = "${model}"
model_provider = "gateway"

[model_providers.gateway]
name = "Codex Gateway"
base_url = "${apiUrl}"
env_key = "CODEX_GATEWAY_KEY"
wire_api = "responses"

# export CODEX_GATEWAY_KEY=${secret}`,
  },
];

export function ClientSnippets({ apiUrl, secret }: { apiUrl: string; secret: string }) {
  const t = useTexts();
  const [chosen, setChosen] = useState(0);
  const shown = useRef<HTMLPreElement>(null);
  const snippet = snippets[chosen];
  if (!snippet) return null;
  const text = snippet.of(apiUrl, secret);
  return (
    <div className="mt-2 overflow-hidden rounded-lg border border-line">
      <div className="flex items-center justify-between border-b border-line bg-sunken px-1.5">
        <div className="flex">
          {snippets.map(({ name }, at) => (
            <button
              key={name}
              type="button"
              aria-pressed={at === chosen}
              onClick={() => setChosen(at)}
              className={`px-2.5 py-2 text-sm ${at === chosen ? "font-medium text-ink" : "text-muted hover:text-ink"}`}
            >
              {name}
            </button>
          ))}
        </div>
        <CopyButton text={text} label={`${t.common.copy} ${snippet.name}`} source={shown} />
      </div>
      <pre ref={shown} tabIndex={0} className="max-h-56 overflow-auto p-3.5 font-mono text-[0.8125rem] leading-relaxed">
        {text}
      </pre>
    </div>
  );
}
