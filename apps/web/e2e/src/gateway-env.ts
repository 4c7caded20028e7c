type Own = Record<string, string> & { DATA_FOLDER: string; DATABASE_URL: string };

/** The environment of a gateway that a test starts for itself: on free ports, whatever the machine itself has set. */
export const gatewayEnv = (own: Own): Record<string, string> => ({
  PORT: "0",
  API_PORT: "0",
  HOST: "127.0.0.1",
  PUBLIC_URL: "",
  SECRET_KEY: "",
  SECRET_KEY_PREVIOUS: "",
  JWT_SECRET: "",
  LEDGER_JOURNAL: "",
  // As with the embedded database, and in Docker.
  DATABASE_APP_ROLE: "on",
  TRUSTED_PROXIES: "",
  METRICS_TOKEN: "",
  METRICS_ADDRESSES: "",
  OTEL_EXPORTER_OTLP_ENDPOINT: "",
  ...own,
});
