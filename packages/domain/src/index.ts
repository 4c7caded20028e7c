export { AppError, type AppErrorCode } from "./app-error.ts";
export { readSecretKeyId, writeSecretKeyId } from "./access/secret-key-id.ts";
export { isDatabaseDown, isDataException } from "./database-down.ts";
export { listenToChanges, type ChangeTopic } from "./access/changes.ts";
export { countOnPreviousSecret, reencrypt } from "./access/rotate.ts";
export { isNetwork, networksOf, plainAddress, type Networks } from "./access/networks.ts";
export { isPublicAddress } from "./access/outbound-address.ts";
export { deriveSecrets, type Secrets } from "./access/secrets.ts";
export {
  alertChannels,
  raiseEvent,
  type Alert,
  type AlertChannel,
  type DiskUse,
  type ProcessDeath,
  type ProcessFault,
} from "./alerts/alert.ts";
export {
  checkAlertTarget,
  openAlertTargets,
  readAlertSettings,
  recordAlertTest,
  type AlertSettings,
  type AlertTargets,
  type EmailTarget,
  type WebhookTarget,
} from "./alerts/alert-settings.ts";
export {
  forgetOldAlerts,
  noteDelivery,
  readLastFailures,
  takeDeliveries,
  type DeliveryFailure,
} from "./alerts/deliveries.ts";
export { noteDeadLetters, noteLog, type LogSighting } from "./alerts/ledger-faults.ts";
export { noteBooksHead, noteLedgerVerdict } from "./alerts/ledger-verdict.ts";
export { noteLowBalances } from "./alerts/low-balances.ts";
export { notePasswordGuesses } from "./alerts/password-guesses.ts";
export { noteUpstreams, type UpstreamSighting } from "./alerts/upstream-outages.ts";
export { type Actor } from "./audit/audit.ts";
export { listAudit, listAuditActions, type AuditLine } from "./audit/audit-list.ts";
export {
  day,
  decimalNumber,
  headerSecret,
  limit,
  line,
  lines,
  list,
  secretText,
  timeZone,
  wholeNumber,
} from "./inputs/schemas.ts";
export { createRedeemBatch, listRedeemBatches, redeemCode, type RedeemBatch } from "./codes/redeem-codes.ts";
export { rotateKey, setKeyStatus, updateKey, type KeyPolicy } from "./keys/key-changes.ts";
export { createKeyRing, mayUseModel, type KeyRing } from "./keys/key-ring.ts";
export { createKey, deleteKey, listKeys, type KeyLimits, type KeySummary } from "./keys/keys.ts";
export { findCharge, listCharges, findResponse, readCredits, walletOf, type PublicCharge } from "./ledger/charges.ts";
export { createAttemptLog } from "./ledger/attempts.ts";
export { checkBooksIfDue, readBooksCheck } from "./ledger/books-check.ts";
export { differences, readHead, takeHead, type BooksHead } from "./ledger/books-head.ts";
export { createCheckpoints, type Checkpoints } from "./ledger/checkpoints.ts";
export { createDebtAllowance } from "./ledger/debt-allowance.ts";
export { extendCall } from "./ledger/extend-call.ts";
export { findRefusedKeys } from "./keys/refused-keys.ts";
export { holdCall, type HeldCall } from "./ledger/hold-call.ts";
export { claimIdempotency, forgetExpiredAnswers, giveUpIdempotency, keepAnswer } from "./ledger/idempotency.ts";
export {
  closeInstance,
  endAllLeases,
  heartbeatMs,
  leaseMs,
  openInstance,
  renewLease,
  restoreInstances,
  type Instance,
} from "./ledger/instance.ts";
export { reapOrphans, settleOverdue, type RecallResponse } from "./ledger/orphans.ts";
export { createReapGuard } from "./ledger/reap-guard.ts";
export { createLedger, QueueFullError, type DefaultLimits, type Ledger } from "./ledger/ledger.ts";
export { refundCharge } from "./ledger/refund.ts";
export { nanoUsdOf, usdOf } from "./ledger/money.ts";
export {
  readDailyUsage,
  readSystemOverview,
  readUserOverview,
  type DayOfUsage,
  type SystemOverview,
  type UserOverview,
} from "./ledger/statistics.ts";
export { listUsage, listUsedModels, readUsageTotals, type UsageFilter, type UsageRow } from "./ledger/usage-report.ts";
export { settleForTheDead } from "./ledger/dead-processes.ts";
export { adoptSpools } from "./ledger/adopt-spools.ts";
export { openSpool, type Spool } from "./ledger/spool.ts";
export { type SettleOrder } from "./ledger/settlement-lines.ts";
export { type KeptHeads } from "./ledger/verify-heads.ts";
export { verifyLedger, type Finding } from "./ledger/verify.ts";
export { issueAccessToken, readAccessToken, type AccessToken } from "./people/access-tokens.ts";
export {
  changeEmail,
  changePassword,
  listSessions,
  logOut,
  revokeSession,
  type SessionSummary,
} from "./people/account.ts";
export {
  adjustUserBalance,
  listUsers,
  readUser,
  setUserLimits,
  setUserStatus,
  type UserDetails,
  type UserSummary,
} from "./people/admin.ts";
export { credentialsSchema, emailSchema, passwordSchema, type Credentials } from "./people/credentials.ts";
export { createBrowserCookie, type BrowserCookie } from "./people/known-clients.ts";
export { logIn } from "./people/login.ts";
export { createOwner, resetPassword, setFirstUpstream } from "./people/recovery.ts";
export { register } from "./people/registration.ts";
export {
  createSessions,
  idOfSession,
  type OpenedSession,
  type Sessions,
  type SessionUser,
  type Visitor,
} from "./people/sessions.ts";
export { completeSetup, hasOwner, issueSetupToken, requireSetupToken, type SetupInput } from "./people/setup.ts";
export { createThrottles, forgetExpiredAttempts, type Throttles } from "./people/throttles.ts";
export { costNanoUsd, isTierPriced } from "./prices/cost.ts";
export {
  applyProposals,
  changePrice,
  listPrices,
  proposePrices,
  readPriceHistory,
  type PriceProposal,
  type PriceRow,
} from "./prices/price-admin.ts";
export {
  dismissUnpricedModel,
  listUnpricedModels,
  priceUnpricedModel,
  type UnpricedModel,
} from "./prices/price-unpriced.ts";
export { createUnpricedModels, type UnpricedModels } from "./prices/unpriced-models.ts";
export { loadPrices, seedPrices, type LoadedPrices } from "./prices/price-store.ts";
export { readSettings, settingsSchema, writeSettings, type Settings } from "./settings/settings.ts";
export {
  checkedBaseUrl,
  deleteUpstream,
  listUpstreams,
  openUpstream,
  putUpstream,
  recordUpstreamTest,
  openUpstreams,
  saveUpstream,
  type OpenUpstream,
  type UpstreamSummary,
} from "./upstreams/upstreams.ts";
export { readAdminSettings, saveAdminSettings, type AdminSettings } from "./settings/admin-settings.ts";
