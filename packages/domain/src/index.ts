export { adjustBalance, type Adjustment, type CreditOutcome } from "./ledger/credit.ts";
export { createGroupCommit, QueueFullError, type GroupCommit } from "./ledger/group-commit.ts";
export { createLedger, type Capture, type HoldOrder, type HoldOutcome, type Ledger } from "./ledger/ledger.ts";
export { verifyLedger, type Finding } from "./ledger/verify.ts";
export { costNanoUsd, maxCostNanoUsd, type Prices, type UsageUnits } from "./prices/cost.ts";
export { pricesFromJson, type PricesJson } from "./prices/prices-json.ts";
export { createPriceBook, type PriceBook, type PriceVersion } from "./prices/price-book.ts";
export { publishedPrices, type PublishedPrice } from "./prices/published-prices.ts";
export { createSecret, displayOf, hashSecret, isSecret } from "./keys/secret.ts";
