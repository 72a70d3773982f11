// SPDX-License-Identifier: BSD-3-Clause
/** The demo's measurement: vfring, btl/tcp and shared memory on this machine, launch by launch in turns. */
import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sizes } from './benchmarks.js';
import type { Column, Measured } from './demo-table.js';
import { StepError } from '../../tools/steps.js';

/** What else the machine does hits all transports alike, and the median leaves the odd launch out. */
const LAUNCHES = 3;
/** Against hanging only. */
const LAUNCH_TIMEOUT_MS = 600_000;

interface Transport {
  readonly name: string;
  /** What starts two ranks of the program behind it. */
  readonly argv: readonly [string, ...string[]];
  /** Why it cannot be measured. */
  readonly missing?: string;
}

const mpirun = (btl: string, ...more: readonly string[]): readonly [string, ...string[]] =>
  ['mpirun', '-n', '2', '--mca', 'pml', 'ob1', '--mca', 'btl', `self,${btl}`, ...more];

/** Shared memory is called vader before Open MPI 5. */
async function transports(env: NodeJS.ProcessEnv): Promise<readonly Transport[]> {
  const { stdout } = await execa('ompi_info', ['--parsable'], { env, extendEnv: false });
  const has = (component: string): boolean => stdout.includes(`mca:btl:${component}:`);
  const shared = has('vader') ? 'vader' : 'sm';
  const peer = (name: string, component: string, ...more: readonly string[]): Transport =>
    ({ name, argv: mpirun(component, ...more), ...(has(component) ? {} : { missing: `this Open MPI has no btl/${component}` }) });
  return [
    { name: 'vfring', argv: ['vfring', 'run', '--local', 'vf', '-n', '2', '--'] },
    peer('btl/tcp', 'tcp', '--mca', 'btl_tcp_if_include', 'lo'),
    peer('shared memory', shared),
  ];
}

interface Row {
  readonly bytes: number;
  readonly median_us?: number;
  readonly msg_per_s?: number;
}

/** @returns one launch's rows, or its last words where it failed */
async function launch(transport: Transport, program: readonly [string, ...string[]], scratch: string, env: NodeJS.ProcessEnv): Promise<{ rows: readonly Row[]; said: string } | { failure: string }> {
  const json = join(scratch, 'demo.json');
  const [file, ...args] = [...transport.argv, ...program, `--json=${json}`] as const;
  const result = await execa(file as string, args, { env, extendEnv: false, stdin: 'ignore', all: true, reject: false, timeout: LAUNCH_TIMEOUT_MS });
  if (result.failed) {
    return { failure: `${[file, ...args].join(' ')} failed (${result.exitCode === undefined ? result.shortMessage : `status ${result.exitCode}`}):\n${result.all}` };
  }
  return { rows: (JSON.parse(readFileSync(json, 'utf8')) as { results: Row[] }).results, said: result.stderr };
}

function add(values: Map<number, number[]>, bytes: number, value: number | undefined): void {
  if (value !== undefined) {
    values.set(bytes, [...(values.get(bytes) ?? []), value]);
  }
}

/**
 * @param say a line for people
 * @throws StepError when vfring itself fails; a peer that fails only has no figures
 */
export async function measure(scratch: string, env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<readonly Column[]> {
  const all = (await transports(env)).map((transport) => ({
    transport,
    latency: new Map<number, number[]>(),
    rate: new Map<number, number[]>(),
    missing: transport.missing,
  }));
  for (let round = 1; round <= LAUNCHES; round++) {
    for (const one of all.filter(({ missing }) => missing === undefined)) {
      const { name, argv } = one.transport;
      say(`launch ${round} of ${LAUNCHES}: ${name}${round === 1 ? `, by ${argv.join(' ')} PROGRAM` : ''}`);
      for (const program of [['pingpong', '--quick', '--sizes', sizes.latency], ['bandwidth', '--quick', '--sizes', sizes.rate]] as const) {
        const result = await launch(one.transport, program, scratch, env);
        if ('failure' in result) {
          if (name === 'vfring') {
            throw new StepError(result.failure);
          }
          one.missing = result.failure;
          break;
        }
        if (name === 'vfring' && round === 1) {
          // What carried it, by the VFs' own counters.
          result.said.trim().split('\n').forEach((line) => say(`  ${line}`));
        }
        for (const { bytes, median_us: us, msg_per_s: rate } of result.rows) {
          add(one.latency, bytes, us);
          add(one.rate, bytes, rate);
        }
      }
    }
  }
  return all.map(({ transport: { name }, latency, rate, missing }): Column => {
    const measured: Measured = { latency, rate };
    return { name, measured: missing === undefined ? measured : { missing } };
  });
}
