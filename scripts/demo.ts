// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm run demo [-- [--lab] [-- CMD...]]
 *
 * Runs ping-pong and bandwidth and shows the result: over soft VFs on this
 * machine, with btl/tcp and shared memory beside it, or with --lab over real VFs in the
 * emulated machine. With a command, runs that instead and exits with its status.
 */
import { Command } from 'commander';
import { execa } from 'execa';
import { measure } from './lib/demo-run.js';
import { demoTable, meaning } from './lib/demo-table.js';
import { buildNative, openMpiVersion } from '../tools/native.js';
import { SoftSite } from '../e2e/soft-site.js';
import { runMain } from '../tools/steps.js';

async function softDemo(command: readonly string[]): Promise<number> {
  await buildNative();
  const site = await SoftSite.create();
  // The command gets the signal too; afterwards all is taken down below.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  process.on('SIGTERM', ignore);
  const run = async (file: string, args: readonly string[]): Promise<number> => {
    const result = await execa(file, args, { env: site.env, extendEnv: false, stdio: 'inherit', reject: false });
    if (result.exitCode === undefined && result.signal === undefined) {
      process.stderr.write(`E: ${result.shortMessage ?? `${file} cannot be run`}\n`);
      return 127;
    }
    return result.exitCode ?? 128;
  };
  try {
    const daemon = await site.startDaemon();
    try {
      const [file, ...args] = command;
      if (file !== undefined) {
        return await run(file, args);
      }
      const say = (line: string): boolean => process.stdout.write(`${line}\n`);
      say(`\nvfring over soft VFs and its peers, ${await openMpiVersion()}, 2 ranks on this machine\n`);
      const columns = await measure(site.scratch, site.env, say);
      say(`\n${demoTable(columns).join('\n')}\n\n${meaning(columns).join('\n')}`);
      return 0;
    } finally {
      await daemon.stop();
    }
  } finally {
    site.remove();
  }
}

await runMain(async () => {
  const program = new Command('npm run demo --')
    .description('run a job over vfring and show the result')
    .option('--lab', 'over real VFs in the emulated machine instead of soft VFs here')
    .argument('[command...]', 'run this instead (after --)')
    .passThroughOptions();
  program.parse();
  const lab = program.opts<{ lab?: boolean }>().lab === true;
  return lab ? (await import('./lib/lab-demo.js')).runLabDemo(program.args) : softDemo(program.args);
});
