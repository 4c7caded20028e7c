/** What whoever watches over this process is told of it (scripts/supervise.mjs); nothing where nobody does. */
export function tellSupervisor(news: "up" | "stopping"): void {
  // It may have died: then there is nobody to tell, and the gateway serves on.
  if (process.connected) process.send?.(news, undefined, undefined, () => undefined);
}
