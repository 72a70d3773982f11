// SPDX-License-Identifier: BSD-3-Clause
/**
 * Several hosts on one machine: a vfringd each, and an ssh that runs what it is told here, in
 * the place of the host that is named. What it is asked, ssh's own options included, it notes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledCli } from './bundled-cli.js';
import { fakeOpenMpi, script } from './fake-mpi.js';
import { startNode, type FakeNode, type FakeNodeOptions } from './fake-node.js';
import { tempDir } from './temp-dir.js';

const HOLDER = join(import.meta.dirname, 'lease-holder.mjs');

/** Hosts that are ill, and what becomes of a connection to each. */
const ILL = {
  nowhere: 'echo "ssh: Could not resolve hostname nowhere: Name or service not known" >&2; exit 255',
  locked: 'echo "mpi@locked: Permission denied (publickey,password)." >&2; exit 255',
  stranger: 'echo "Host key verification failed." >&2; exit 255',
  off: 'echo "ssh: connect to host off port 22: No route to host" >&2; exit 255',
  asleep: 'echo $$ >> "$dir/asleep"; exec sleep 1000',
  old: 'echo "error: unknown command \'node\'" >&2; exit 64',
  noisy: 'echo "Welcome to noisy"; echo "vfring-node 1 what?"; exit 0',
  bare: 'PATH=/usr/bin:/bin; export PATH; exec /bin/sh -c "$(printf %s "$*" | sed "s#$dir/prefix/bin/vfring#/opt/vfring/bin/vfring#")"',
} as const;

export type Ill = keyof typeof ILL;

export interface FakeHosts {
  readonly dir: string;
  /** For the commands of a user. */
  readonly env: NodeJS.ProcessEnv;
  readonly prefix: string;
  readonly mpirun: string;
  node(host: string): FakeNode;
  /** Has what a host's Open MPI says be otherwise: FAKE_WIRE, FAKE_OPEN_MPI. */
  set(host: string, variable: string, value: string): void;
  /** Command lines of ssh so far. */
  asked(): string[];
  /** What mpirun was called with. */
  arguments(): string[];
}

/** Shell text of a rank on a host: it leases a VF there, waits for the answer, gives it back unless it is to die, and ends. */
export const rankOn = (node: FakeNode, rank: number, ranks: number, how: 'release' | 'die' = 'release'): string =>
  `${process.execPath} ${HOLDER} ${node.lease} '{"v":1,"op":"lease","count":1,"job":"'$VFRING_JOB'","rank":${rank},"ranks":${ranks}}' ${how} </dev/null >/dev/null`;

/** @param mpirun shell text of what mpirun does */
export async function fakeHosts(options: Readonly<Record<string, FakeNodeOptions>>, mpirun: (node: (host: string) => FakeNode) => string): Promise<FakeHosts> {
  const dir = tempDir();
  const nodes = new Map<string, FakeNode>();
  for (const [host, option] of Object.entries(options)) {
    nodes.set(host, await startNode(option));
  }
  const node = (host: string): FakeNode => {
    const found = nodes.get(host);
    if (found === undefined) {
      throw new Error(`there is no host ${host}`);
    }
    return found;
  };
  const mpi = fakeOpenMpi(dir, mpirun(node));
  script(join(dir, 'bin', 'mpirun.real'), readFileSync(mpi.mpirun, 'utf8'));
  script(mpi.mpirun, `if [ "$1" = --version ]; then echo "mpirun (Open MPI) \${FAKE_OPEN_MPI:-5.0.7}"; exit 0; fi; exec ${dir}/bin/mpirun.real "$@"`);
  script(join(dir, 'bin', 'ompi_info'), `echo path:pkglibdir:${mpi.components}
echo 'mca:btl:vfring:version:"component:5.0.7"'
echo "mca:btl:vfring:param:btl_vfring_wire_version:value:\${FAKE_WIRE:-3}"
echo mca:btl:vfring:param:btl_vfring_tx_entries:value:0
echo mca:btl:vfring:param:btl_vfring_rx_entries:value:0`);
  mkdirSync(join(mpi.prefix, 'bin'));
  const started = `exec ${process.execPath} ${await bundledCli()} "$@"`;
  [join(mpi.prefix, 'bin'), join(dir, 'bin')].forEach((folder) => script(join(folder, 'vfring'), started));
  const ill = Object.entries(ILL).map(([host, what]) => `${host}) ${what};;`);
  const well = [...nodes].map(([host, { runDir }]) => `${host}) VFRING_RUN_DIR=${runDir}; export VFRING_RUN_DIR; [ ! -e $dir/${host}.env ] || . $dir/${host}.env;;`);
  script(join(dir, 'bin', 'ssh'), `dir=${dir}
echo "$*" >> $dir/ssh.log
while [ "$1" != -- ]; do shift; done
shift; host=$1; shift
case $host in
${[...ill, ...well].join('\n')}
*) echo "ssh: no such host in this test: $host" >&2; exit 255;;
esac
exec /bin/sh -c "$*"`);
  return {
    dir, node, prefix: mpi.prefix, mpirun: mpi.mpirun,
    env: { ...process.env, PATH: `${dir}/bin:${process.env['PATH'] ?? ''}`, OMPI_MCA_plm_rsh_agent: `${dir}/bin/ssh` },
    set: (host, variable, value) => writeFileSync(join(dir, `${host}.env`), `${variable}='${value}'; export ${variable}\n`, { flag: 'a' }),
    asked: () => lines(join(dir, 'ssh.log')),
    arguments: () => lines(join(dir, 'arguments')),
  };
}

function lines(file: string): string[] {
  return readFileSync(file, 'utf8').trim().split('\n');
}
