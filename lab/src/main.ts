// SPDX-License-Identifier: BSD-3-Clause
// npm run lab: one command in a fresh emulated machine, or several on several.
import {CommanderError} from 'commander';
import {LabError, exitStatus} from './errors.js';
import {Guest} from './guest.js';
import {runCommand, runShell, sayFaults, showPlainly} from './job.js';
import {parseOptions} from './options.js';
import {resultsDir} from './paths.js';
import {say} from './progress.js';
import {pruneRootfs} from './rootfs.js';
import {runOnHosts} from './run-hosts.js';

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

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : exitStatus.usage;
  } else if (error instanceof LabError) {
    say(error.text());
    process.exitCode = error.status;
  } else {
    throw error;
  }
}
// Standard input, if it was read, would keep the process.
process.stdin.unref?.();
