// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm run demo [-- [--lab] [-- CMD...]]
 *
 * Runs ping-pong and bandwidth and shows the result: over soft VFs on this
 * machine, with btl/tcp and shared memory beside it and a page of all, or with --lab over
 * real VFs in the emulated machine. With a command, runs that instead and exits with its status.
 */
import { Command } from 'commander';
import { execa } from 'execa';
import { runSoftDemo } from './lib/soft-demo.js';
import { buildNative, openMpiVersion } from '../tools/native.js';
import { SoftSite } from '../e2e/soft-site.js';
import { runMain } from '../tools/steps.js';

async function softDemo(command: readonly string[]): Promise<number> {
  await buildNative();
  const site = await SoftSite.create();
  let child: { kill(signal: NodeJS.Signals): boolean } | undefined;
  let ended: NodeJS.Signals | undefined;
  // Ctrl-C reaches the command by itself, another program's signal does not; afterwards all is taken down below.
  process.on('SIGINT', () => (ended ??= 'SIGINT'));
  process.on('SIGTERM', () => {
    ended ??= 'SIGTERM';
    child?.kill('SIGTERM');
  });
  const run = async (file: string, ...args: readonly string[]): Promise<number> => {
    const running = execa(file, args, { env: site.env, extendEnv: false, stdio: 'inherit', reject: false });
    child = running;
    const result = await running;
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
        return await run(file, ...args);
      }
      const say = (line: string): boolean => process.stdout.write(`${line}\n`);
      say(`\nvfring over soft VFs, ${await openMpiVersion()}, 2 ranks on this machine`);
      say('A soft VF is a file in memory, and the processes themselves play the card: its times are those of the software, and say nothing about hardware.');
      say('npm run demo -- --lab shows real VFs in an emulated machine; docs/performance has what was measured.\n');
      return await runSoftDemo(async (name, ...more) => (ended === undefined ? await run(name, ...more) : 128), say);
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
