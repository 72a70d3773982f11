// SPDX-License-Identifier: BSD-3-Clause
/** `vfring doctor` on the command line. */
import type { Command } from 'commander';
import { DEFAULT_CONFIG } from '../paths.js';

interface DoctorOptions {
  readonly config: string;
  readonly mpirun: string;
  readonly hardware?: boolean;
  readonly minutes: string;
  readonly output?: string;
  readonly json?: boolean;
}

const HARDWARE_HELP = `
--hardware drives two free VFs of one PF for real, for twenty minutes: every byte of messages of all sizes is compared, processes sleep until
interrupts of their VFs, one is killed; counters and the kernel's log are looked at. The report says what card, drivers, kernel and processor
these were. It has no names of hosts and no MACs. Of a card that has not been driven by vfring before it is welcome.`;

/** A week. */
const MOST_MINUTES = 10_080;

export function addDoctorCommand(program: Command): void {
  program.command('doctor')
    .description('check everything that vfring needs on this node, each with cause and remedy')
    .option('--config <file>', 'configuration file', DEFAULT_CONFIG)
    .option('--mpirun <path>', 'the mpirun to look at', 'mpirun')
    .option('--hardware', 'then drive two VFs of the card for real, and write a report that can be sent in')
    .option('--minutes <n>', 'with --hardware: so long messages without a pause', '15')
    .option('--output <file>', 'with --hardware: the report (default: vfring-hardware- and the time)')
    .option('--json', 'print JSON; with --hardware: the report')
    .addHelpText('after', HARDWARE_HELP)
    .action(async (options: DoctorOptions) => void (process.exitCode = await run(options)));
}

async function run({ config, mpirun, hardware: onHardware, minutes, output, json }: DoctorOptions): Promise<number> {
  const [{ doctor }, { reportText }, { show }, { EXIT }, { nodeContext }, { numberFrom }] = await Promise.all([
    import('../doctor/doctor.js'), import('../doctor/check.js'), import('./output.js'), import('../errors.js'), import('./node-context.js'), import('../bench/plan.js'),
  ]);
  const duration = numberFrom('--minutes', minutes, 0, MOST_MINUTES);
  const context = nodeContext();
  const reports = await doctor(context.api, config, mpirun);
  if (onHardware === true) {
    return await (await import('./hardware.js')).hardware(reports, { minutes: duration, output, mpirun, json: json === true }, context);
  }
  show({ json: json === true }, reports, reportText);
  return reports.some((report) => report.verdict === 'fail') ? EXIT.UNAVAILABLE : EXIT.OK;
}
