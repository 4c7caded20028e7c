export { endpoints, type Endpoint } from "./endpoints.ts";
export { errorAnswer, type ErrorAnswer, type ErrorCode } from "./errors.ts";
export { createSseSplitter, type SseEvent } from "./sse.ts";
