/** The fake OpenAI by itself, for a gateway that runs elsewhere: on HOST and PORT, until a signal. */
import { startFakeOpenAi } from "./fake-openai.ts";

const { HOST: host = "127.0.0.1", PORT: port = "4010" } = process.env;
const fake = await startFakeOpenAi({ host, port: Number(port), keeps: 0 });
console.log(`A fake OpenAI answers at ${fake.url}.`);
const exit = (code: number) => () => process.exit(code);
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    fake.stop().then(exit(0), exit(1));
  });
