// SPDX-License-Identifier: BSD-3-Clause
/** vfringd: the daemon's command line. */
import '../signals.js';
import { CommanderError } from 'commander';
import { loadConfig } from '../config/load.js';
import { EXIT, asVfringError, causeText } from '../errors.js';
import { prlimit } from '../libc.js';
import { createLog, isJournal, priority, type Log } from '../log.js';
import { native } from '../native.js';
import { defaultStateDir, ledgerFile, leaseSocket } from '../paths.js';
import { messageLines } from '../shell.js';
import { outliveStderr, outliveStdout } from '../stdio.js';
import { surplusCapabilities } from './capabilities.js';
import { daemonCommand, type DaemonArguments } from './command.js';
import { createProvider } from './create-provider.js';
import { Daemon } from './daemon.js';
import { watchdog, watchdogMs } from './watchdog.js';
import { realNuma } from '../node/numa.js';
import { realProcesses } from '../node/processes.js';

const STDOUT = 1;
const STDERR = 2;

async function main(): Promise<number> {
  const command = daemonCommand();
  try {
    command.parse();
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
    }
    throw error;
  }
  const options = command.opts<DaemonArguments>();
  const journal = isJournal(process.env, STDERR);
  const log = createLog(options.foreground ? 'text' : 'json', undefined, journal);
  const surplus = surplusCapabilities();
  if (surplus !== 0n) {
    log.warn('vfringd holds capabilities that it does not need: start it by its installed script, or by systemd', { capabilities: `0x${surplus.toString(16)}` });
  }
  let daemon: Daemon;
  try {
    const config = await loadConfig(options.config);
    const provider = createProvider(config, log);
    daemon = new Daemon({
      config,
      runDir: options.runDir,
      ledgerFile: ledgerFile(options.stateDir ?? defaultStateDir(options.runDir)),
      provider,
      reload: async () => {
        const next = await loadConfig(options.config);
        return { config: next, provider: createProvider(next, log) };
      },
      processes: realProcesses(native()),
      prlimit,
      numa: realNuma(),
      log,
      ...(provider.kind === 'sriov' && { watchDevices }),
    });
    await daemon.start();
  } catch (error) {
    const known = asVfringError(error);
    const lines = [`${known.code}: ${known.message}`, `remedy: ${known.remedy}`].flatMap((text) => messageLines('vfringd', text));
    process.stderr.write(lines.map((line) => `${priority('error', journal)}${line}\n`).join(''));
    return known.exitStatus;
  }
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => resolve(signal));
    }
  });
  process.on('SIGHUP', () => {
    // CLOCK_MONOTONIC, which the service manager compares with its own.
    notify(log, `RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    daemon
      .reload(false)
      .catch((error: unknown) => {
        const { code, message, remedy } = asVfringError(error);
        log.error('the configuration is not taken over', { code, message, remedy });
      })
      .finally(() => notify(log, 'READY=1'));
  });
  const { entries } = daemon.manager.pool;
  process.stdout.write(
    `${priority('info', isJournal(process.env, STDOUT))}vfringd ready: ${entries.length} VFs (${entries[0]?.vf.kind ?? 'none'}), ${leaseSocket(options.runDir)}\n`,
  );
  notify(log, `READY=1\nSTATUS=${entries.length} VFs`);
  const everyMs = watchdogMs(process.env, process.pid);
  const endWatch = everyMs === undefined ? () => {} : watchdog(everyMs, () => daemon.manager.exclusively(() => {}), () => notify(log, 'WATCHDOG=1'));
  log.info('stopping', { signal: await stopped });
  endWatch();
  notify(log, 'STOPPING=1');
  await daemon.stop('keep');
  return EXIT.OK;
}

function watchDevices(changed: () => void): { close(): void } {
  return new (native().UeventWatch)(changed);
}

/** Tells the service manager, if one started us. That it cannot be told is no reason to end. */
function notify(log: Log, text: string): void {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket !== undefined && socket !== '') {
    try {
      native().sdNotify(socket, text);
    } catch (error) {
      log.warn('the service manager cannot be told', { socket, cause: causeText(error) });
    }
  }
}

outliveStderr();
outliveStdout();
process.exitCode = await main();
