// SPDX-License-Identifier: BSD-3-Clause
/** The options of vfringd: for itself, its help and its manual page. */
import { Command } from 'commander';
import { DEFAULT_CONFIG, defaultRunDir, version } from '../paths.js';

export interface DaemonArguments {
  readonly config: string;
  readonly runDir: string;
  readonly stateDir?: string;
  readonly foreground?: boolean;
}

const NOTES = `
SIGTERM and SIGINT end it; leases of living processes go on, and the next vfringd takes them over. SIGHUP makes it
take its configuration file over, unless that would disturb a running process. SIGUSR1 and SIGUSR2 mean nothing to it.

Its configuration is described in docs/configuration.md; vfring config check FILE finds what is wrong with one. With http: listen: ADDRESS:PORT
in it, it also serves a page that shows the node, and /metrics for Prometheus. Where these cannot be served it says so and gives VFs all the same.

When both sockets take requests it prints a line that begins with "vfringd ready" on standard output, and tells
systemd (NOTIFY_SOCKET). Exit statuses: 0 ended by a signal; 64 wrong usage; 69 PF, VF or module not available, or
another vfringd runs; 70 a defect; 71 the operating system refused; 73 run directory or ledger; 78 wrong configuration.

Manual page: man 8 vfringd.`;

export function daemonCommand(): Command {
  return new Command('vfringd')
    .version(`vfringd ${version()}`, '-V, --version', 'print the version')
    .description('gives the VFs of this node to MPI processes and takes them back')
    .option('--config <file>', 'configuration', DEFAULT_CONFIG)
    .option('--run-dir <dir>', 'where the sockets are (VFRING_RUN_DIR)', defaultRunDir())
    .option('--state-dir <dir>', 'where the ledger is (VFRING_STATE_DIR; without: /var/lib/vfring, or the run directory when that is not /run/vfring)')
    .option('--foreground', 'log for people instead of JSON; vfringd never goes to the background by itself')
    .addHelpText('after', NOTES)
    .allowExcessArguments(false)
    .exitOverride();
}
