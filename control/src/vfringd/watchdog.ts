// SPDX-License-Identifier: BSD-3-Clause
/** Tells the service manager that the daemon still works (sd_watchdog_enabled(3)): its event loop turns, and its queue of leases moves. */

/** How often to tell, in ms: twice in the time that the manager waits. Undefined: it does not wait for this process. */
export function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: of } = env;
  const ms = /^\d+$/.test(usec ?? '') ? Number(usec) / 2000 : 0;
  return ms < 1 || (of !== undefined && of !== String(pid)) ? undefined : ms;
}

/**
 * @param works resolves when the daemon has done its next piece of work
 * @returns what ends it
 */
export function watchdog(everyMs: number, works: () => Promise<unknown>, tell: () => void): () => void {
  let asked = false;
  const timer = setInterval(() => {
    if (asked) {
      return; // The last question has no answer yet: silence is what the manager acts on.
    }
    asked = true;
    works().then(() => {
      asked = false;
      tell();
    }, () => {});
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
