/** A connection that is refused, lost or not there in time, or a database that starts, as `pg` and Prisma tell it. */
export const isDatabaseDown = (error: unknown): boolean =>
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|P1001|P1017|terminat|Connection|timeout|starting up|shutting down|recovery mode/i.test(
    `${(error as { code?: string }).code ?? ""} ${(error as Error).message}`,
  );
