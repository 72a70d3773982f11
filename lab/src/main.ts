// SPDX-License-Identifier: BSD-3-Clause
// npm run lab: one command in a fresh emulated machine.
import {CommanderError} from 'commander';
import {LabError, exitStatus} from './errors.js';
import {Guest} from './guest.js';
import {kernelFaults} from './kernel-log.js';
import {watchNpm} from './npm-watch.js';
import {type LabOptions, parseOptions} from './options.js';
import {consoleLog, resultsDir} from './paths.js';
import {say} from './progress.js';
import {pruneRootfs} from './rootfs.js';
import {readScript, scriptArgv} from './script.js';
import {connectTerminal} from './terminal.js';

async function runJob(guest: Guest, options: LabOptions): Promise<number> {
  if (options.shell) {
    const disconnect = connectTerminal(guest.tty);
    try {
      return await guest.shell(options.user, {
        type: process.env['TERM'] ?? 'vt100', rows: process.stdout.rows || 24, columns: process.stdout.columns || 80,
      });
    } finally {
      disconnect();
    }
  }
  const argv = options.script === undefined ? options.argv : scriptArgv(readScript(options.script), options.argv);
  const {status} = await guest.exec({
    argv, user: options.user, collect: false,
    onOutput: (stream, chunk) => process[stream].write(chunk),
    ...(options.stdin ? {stdin: process.stdin} : {}),
  });
  return status;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort());
  }
  watchNpm(() => stop.abort());
  if (options.prune) {
    await pruneRootfs(stop.signal);
    return 0;
  }
  const guest = await Guest.boot({
    machine: options.machine, parts: options.parts, cold: options.cold, timeoutS: options.timeoutS, signal: stop.signal,
  });
  try {
    const status = await runJob(guest, options);
    await guest.fetchResults(resultsDir);
    return status;
  } finally {
    await guest.close();
    const faults = kernelFaults(guest.consoleLog);
    if (faults.length > 0) {
      say(`the guest's kernel reports faults (${consoleLog}):\n${faults.slice(0, 20).map((line) => `  | ${line}`).join('\n')}`);
    }
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
