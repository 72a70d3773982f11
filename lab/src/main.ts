// SPDX-License-Identifier: BSD-3-Clause
/** npm run lab: one command in a fresh emulated machine, or several on several. */
import { exitWith } from './exit.js';
import { Guest } from './guest.js';
import { runCommand, runShell, sayFaults, showPlainly } from './job.js';
import { parseOptions } from './options.js';
import { resultsDir } from './paths.js';
import { pruneRootfs } from './rootfs.js';
import { runOnHosts } from './run-hosts.js';

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort());
  }
  if (options.prune) {
    await pruneRootfs(stop.signal);
    return 0;
  }
  if (options.hosts !== undefined) {
    return await runOnHosts(options, options.hosts, stop.signal);
  }
  const guest = await Guest.boot({
    machine: options.machine, parts: options.parts, cold: options.cold, timeoutS: options.timeoutS, signal: stop.signal,
  });
  try {
    const status = options.shell ? await runShell(guest, options.user) : await runCommand(guest, options, showPlainly);
    await guest.fetchResults(resultsDir);
    return status;
  } finally {
    await guest.close();
    sayFaults('the guest', guest);
  }
}

await exitWith(async () => await main(process.argv.slice(2)));
// Standard input, if it was read, would keep the process.
process.stdin.unref?.();
