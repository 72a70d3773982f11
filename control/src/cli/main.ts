// SPDX-License-Identifier: BSD-3-Clause
/** vfring: the command line. */
import { readFile } from 'node:fs/promises';
import { Command, CommanderError } from 'commander';
import { formatProblem, loadConfig, parseConfig } from '../config/load.js';
import { EXIT, VfringError, asVfringError, causeText } from '../errors.js';
import { exec } from '../exec.js';
import { silentLog } from '../log.js';
import { DEFAULT_CONFIG, defaultRunDir, prefix } from '../paths.js';
import { createProvider } from '../providers/index.js';
import { outliveReaders } from '../stdio.js';
import { ReportedError, apiClient } from './api-client.js';
import { RUN_USAGE, parseRunArgs } from './run-args.js';
import { run } from './run.js';
import { jobText, jobsText, statusText } from './status.js';

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const say = (line: string): void => void process.stderr.write(`vfring: ${line}\n`);
const json = (value: unknown): void => out(JSON.stringify(value, null, 2));
const api = () => apiClient(defaultRunDir());

const program = new Command('vfring')
  .description('MPI over SR-IOV VFs: jobs and VFs of this node')
  .enablePositionalOptions()
  .exitOverride();

program
  .command('status')
  .description('the VFs of this node and who has them')
  .option('--json', 'as JSON')
  .action(async (options: { json?: boolean }) => {
    const status = await api().status();
    options.json ? json(status) : out(statusText(status));
  });

program
  .command('job [id]')
  .description('your jobs, or one of them with what its VFs carried')
  .option('--json', 'as JSON')
  .action(async (id: string | undefined, options: { json?: boolean }) => {
    if (id === undefined) {
      const jobs = await api().jobs();
      options.json ? json(jobs) : out(jobsText(jobs));
      return;
    }
    const job = await api().job(id);
    options.json ? json(job) : out(jobText(job));
  });

program
  .command('run')
  .usage(RUN_USAGE.replace('vfring run ', ''))
  .description('run an MPI program with mpirun over VFs')
  .argument('[arguments...]')
  .allowUnknownOption()
  .addHelpText(
    'after',
    `
  --local sm|vf   within a node: shared memory (sm, the default) or VFs too (vf)
  -n N            number of processes
  --mpirun PATH   the mpirun to use (default: the one in PATH)
  Anything else before -- goes to mpirun as it is.

The exit status is mpirun's; 76 if it is 0 but not every process took a VF.`,
  )
  .action(async (_arguments: string[], _options: object, command: Command) => {
    const args = parseRunArgs(command.args);
    process.exitCode = await run(args, { api: api(), exec, prefix, env: process.env, say });
  });

const config = program.command('config').description('the configuration of vfringd');
config
  .command('check <file>')
  .description('check a configuration and name every problem with its line')
  .action(async (file: string) => {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new VfringError('VFRING_ERR_CONFIG_READ', { file, cause: causeText(error) }, { cause: error });
    });
    const result = parseConfig(text, file);
    if (result.ok) {
      out(`${file}: good`);
      return;
    }
    result.problems.forEach((problem) => process.stderr.write(`${formatProblem(problem)}\n`));
    process.exitCode = EXIT.CONFIG;
  });

program
  .command('provision')
  .description('show what vfringd would set up on this node at its start')
  .requiredOption('--dry-run', 'change nothing (vfringd itself provisions)')
  .option('--config <file>', 'configuration', DEFAULT_CONFIG)
  .option('--json', 'as JSON')
  .action(async (options: { config: string; json?: boolean }) => {
    const steps = await createProvider(await loadConfig(options.config), silentLog).plan();
    if (options.json) {
      json(steps);
    } else if (steps.length === 0) {
      out('nothing to do: the node is as the configuration says');
    } else {
      steps.forEach((step) => out(`${step.what}    # ${step.why}`));
    }
  });

async function main(): Promise<number> {
  try {
    await program.parseAsync();
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.OK;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help on request is 0; commander has printed the message for the rest.
      return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
    }
    const known = error instanceof ReportedError ? error : asVfringError(error);
    say(`${known.code}: ${known.message}`);
    say(`remedy: ${known.remedy}`);
    return known.exitStatus;
  }
}

outliveReaders();
process.exitCode = await main();
