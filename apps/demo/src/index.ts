export { startDemo, type Demo } from "./demo.ts";
export { startFakeOpenAi, cannedUsage } from "./fake-openai.ts";
export { startGatewayProcess, type GatewayProcess } from "./gateway-process.ts";
export { createPerson, type Person } from "./person.ts";
