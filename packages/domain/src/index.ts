export { AppError, type AppErrorCode } from "./app-error.ts";
export { readSecretKeyId, writeSecretKeyId } from "./security/secret-key-id.ts";
export { isDatabaseDown, isDataException } from "./database-down.ts";
export { listenToChanges, type ChangeTopic } from "./security/changes.ts";
export { countOnPreviousSecret, reencrypt } from "./security/rotate.ts";
export { isNetwork, networksOf, plainAddress, type Networks } from "./security/networks.ts";
export { networkOf } from "./security/client-network.ts";
export { isPublicAddress } from "./security/outbound-address.ts";
export { deriveSecrets, type Secrets } from "./security/secrets.ts";
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
  openEmailTarget,
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
export { noteDebts, readDebts, type Debts } from "./alerts/debts.ts";
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
  usdInput,
  wholeNumber,
} from "./inputs/schemas.ts";
export { createRedeemBatch, listRedeemBatches, redeemCode, type RedeemBatch } from "./redeem-codes/redeem-codes.ts";
export { rotateKey, setKeyStatus, updateKey, type KeyPolicy } from "./api-keys/key-changes.ts";
export { createKeyRing, mayUseModel, type KeyRing } from "./api-keys/key-ring.ts";
export { createKey, deleteKey, listKeys, type KeyLimits, type KeySummary } from "./api-keys/keys.ts";
export { findCharge, listCharges, readCredits, walletOf, type PublicCharge } from "./reports/charges.ts";
export { leftOf, readKeyStatus, type Budget, type KeyStatus } from "./reports/key-status.ts";
export {
  addResource,
  listResources,
  locateResources,
  mayAddResource,
  missingResource,
  removeResource,
} from "./resources/resources.ts";
export { createAttemptLog } from "./calls/attempts.ts";
export { createDebtAllowance } from "./calls/debt-allowance.ts";
export { extendCall } from "./calls/extend-call.ts";
export { findRefusedKeys } from "./api-keys/refused-keys.ts";
export type { HeldCall } from "./calls/hold-call.ts";
export { holdInSteps } from "./calls/hold-in-steps.ts";
export { claimIdempotency, forgetExpiredAnswers, giveUpIdempotency, keepAnswer } from "./calls/idempotency.ts";
export { refundCharge } from "./calls/refund.ts";
export {
  readDailyUsage,
  readSystemOverview,
  readUserOverview,
  type DayOfUsage,
  type SystemOverview,
  type UserOverview,
} from "./reports/statistics.ts";
export { listUsage, listUsedModels, readUsageTotals, type UsageFilter, type UsageRow } from "./reports/usage-report.ts";
export { issueAccessToken, readAccessToken, type AccessToken } from "./identity/access-tokens.ts";
export {
  changeEmail,
  changePassword,
  listSessions,
  logOut,
  revokeSession,
  type SessionSummary,
} from "./identity/account.ts";
export {
  adjustUserBalance,
  listUsers,
  readUser,
  setUserLimits,
  setUserStatus,
  type ListedStatus,
  type UserDetails,
  type UserSummary,
} from "./identity/admin.ts";
export { credentialsSchema, emailSchema, passwordSchema, type Credentials } from "./identity/credentials.ts";
export { createBrowserCookie, type BrowserCookie } from "./identity/known-clients.ts";
export { completeLogIn, logIn, type LogIn } from "./identity/login.ts";
export { addUser, createOwner, resetPassword, setFirstUpstream } from "./identity/recovery.ts";
export {
  acceptInvite,
  createInvite,
  listInvites,
  readInvite,
  withdrawInvite,
  type InviteSummary,
  type OpenInvite,
} from "./identity/invites.ts";
export { linkTokenSchema } from "./identity/link-tokens.ts";
export { createUser, deleteUser, endUserSessions, setUserKeyStatus, setUserRole } from "./identity/manage-users.ts";
export {
  acceptOwnership,
  dropOwnershipOffer,
  offerOwnership,
  readOwnershipOffer,
  type OwnershipOffer,
} from "./identity/ownership.ts";
export {
  completePasswordReset,
  issueResetLink,
  readResetLink,
  requestPasswordReset,
  type ResetLink,
} from "./identity/password-reset.ts";
export {
  changesAdministration,
  grantableRoles,
  readsAdministration,
  roles,
  type GrantableRole,
  type Role,
} from "./identity/roles.ts";
export {
  beginTwoFactors,
  confirmTwoFactors,
  disableTwoFactors,
  readTwoFactors,
  removeUserTwoFactors,
  renewRecoveryCodes,
  type TwoFactorState,
} from "./identity/two-factors.ts";
export { register } from "./identity/registration.ts";
export {
  createSessions,
  idOfSession,
  sessionName,
  type OpenedSession,
  type Sessions,
  type SessionUser,
  type Visitor,
} from "./identity/sessions.ts";
export { completeSetup, hasOwner, issueSetupToken, requireSetupToken, type SetupInput } from "./identity/setup.ts";
export { createThrottles, forgetExpiredAttempts, type Throttles } from "./identity/throttles.ts";
export { costNanoUsd, isTierPriced } from "./prices/cost.ts";
export { openPrice } from "./prices/open-price.ts";
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
export { importPrices } from "./prices/price-imports.ts";
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
  projectTiers,
  type UpstreamSummary,
} from "./upstreams/upstreams.ts";
export { readAdminSettings, saveAdminSettings, type AdminSettings } from "./settings/admin-settings.ts";
