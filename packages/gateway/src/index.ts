export { endpoints, type Endpoint } from "./endpoints.ts";
export { errorAnswer, type ErrorAnswer, type ErrorCode } from "./errors.ts";
export { BodyError, insertMember, replaceValue, scanBody, valueOf, type ScannedBody, type Span } from "./scan-body.ts";
export { createSseSplitter, type SseEvent } from "./sse.ts";
export { readUsage, type ReadUsage } from "./usage.ts";
