export { addedMsOf, type CallRecord } from "./call-record.ts";
export { BodyTooLargeError, type GatewayAnswer, type GatewayCall } from "./call.ts";
export { errorAnswer } from "./errors.ts";
export { createGateway, type Gateway } from "./handle.ts";
export { createNodeDoor, refuseBadHead, type NodeDoor } from "./node-door.ts";
export type { Caller, Hold, Log, Ports, Refusal, Settlement, Upstream } from "./ports.ts";
export { createRequestId } from "./request-id.ts";
export { createWebDoor, type WebDoor } from "./web-door.ts";
