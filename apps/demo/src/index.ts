export { startDemo, type RunningDemo } from "./demo.ts";
export { startFakeOpenAi, type FakeOpenAi } from "./fake-openai.ts";
export { startGatewayProcess, type GatewayProcess } from "./gateway-process.ts";
export { createPerson, type Person } from "./person.ts";
