// SPDX-License-Identifier: BSD-3-Clause
/** vfringd: the daemon's command line. */
import { Command, CommanderError } from 'commander';
import { loadConfig } from '../config/load.js';
import { EXIT, asVfringError } from '../errors.js';
import { prlimit } from '../libc.js';
import { createLog } from '../log.js';
import { native } from '../native.js';
import { DEFAULT_CONFIG, defaultRunDir, defaultStateDir, ledgerFile, leaseSocket } from '../paths.js';
import { createProvider } from '../providers/index.js';
import { outliveReaders } from '../stdio.js';
import { Daemon } from './daemon.js';
import { realProcesses } from './processes.js';

interface Options {
  readonly config: string;
  readonly runDir: string;
  readonly stateDir?: string;
  readonly foreground?: boolean;
}

const command = new Command('vfringd')
  .description('gives the VFs of this node to MPI processes and takes them back')
  .option('--config <file>', 'configuration', DEFAULT_CONFIG)
  .option('--run-dir <dir>', 'where the sockets are (VFRING_RUN_DIR)', defaultRunDir())
  .option('--state-dir <dir>', 'where the ledger is (VFRING_STATE_DIR; default: /var/lib/vfring, or the run directory if that is not the default)')
  .option('--foreground', 'log for people instead of JSON; vfringd never goes to the background by itself')
  .allowExcessArguments(false)
  .exitOverride();

async function main(): Promise<number> {
  try {
    command.parse();
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
    }
    throw error;
  }
  const options = command.opts<Options>();
  const log = createLog(options.foreground ? 'text' : 'json');
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
      log,
    });
    await daemon.start();
  } catch (error) {
    const known = asVfringError(error);
    process.stderr.write(`vfringd: ${known.code}: ${known.message}\nvfringd: remedy: ${known.remedy}\n`);
    return known.exitStatus;
  }
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => resolve(signal));
    }
  });
  process.on('SIGHUP', () => {
    daemon.reload(false).catch((error: unknown) => {
      const { code, message, remedy } = asVfringError(error);
      log.error('the configuration is not taken over', { code, message, remedy });
    });
  });
  const { entries } = daemon.manager.pool;
  process.stdout.write(
    `vfringd ready: ${entries.length} VFs (${entries[0]?.vf.kind ?? 'none'}), ${leaseSocket(options.runDir)}\n`,
  );
  log.info('stopping', { signal: await stopped });
  await daemon.stop('keep');
  return EXIT.OK;
}

outliveReaders();
process.exitCode = await main();
