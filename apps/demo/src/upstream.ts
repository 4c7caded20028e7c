/** The fake OpenAI by itself, for a gateway that runs elsewhere: on HOST and PORT, until a signal. */
import { startFakeOpenAi } from "./fake-openai.ts";

const { HOST: host = "127.0.0.1", PORT: port = "4010" } = process.env;
const fake = await startFakeOpenAi({ host, port: Number(port), keeps: 0 });
console.log(`A fake OpenAI answers at ${fake.url}.`);
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => void fake.stop().then(() => process.exit(0)));
