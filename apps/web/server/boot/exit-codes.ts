/** How the process ends, for whoever would start it again (scripts/supervise.mjs does). Of sysexits.h. */

/** It would end in the same way again: somebody has to mend the configuration first. */
export const configurationExitCode = 78;
/** The process could not be trusted any more. */
export const brokenExitCode = 70;
