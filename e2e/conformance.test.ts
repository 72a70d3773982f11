// SPDX-License-Identifier: BSD-3-Clause
/** What the MPI standard promises holds over vfring, on a good wire and on a bad one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, mpirun, vfringRun, type Daemon, type Site } from './site.js';

export const PROGRAMS = [
  'sizes', 'datatypes', 'matching', 'requests', 'probes', 'threads', 'onesided', 'atomics', 'collectives', 'reductions', 'communicators', 'processes',
] as const;
type Program = (typeof PROGRAMS)[number];

/** Header of a frame behind the Ethernet header; docs/wire-protocol.md. */
const HEADER_BYTES = 42;
/** Limits against hanging only: of a case and of a program, for an emulated machine on a busy computer. */
const CASE_TIMEOUT_S = 600;
const PROGRAM_TIMEOUT_S = 1800;
/** As many VFs as ranks at most, and the four processes that `processes` spawns at a time. */
const VFS = 8;
/** Below this a parameter counts something else; above, a message takes too long. */
const BOUNDARY_BYTES = { least: 64, most: 1024 * 1024 } as const;

interface Wire {
  readonly title: string;
  readonly ranks: number;
  readonly quick: boolean;
  /** MCA parameters. */
  readonly mca: Readonly<Record<string, string>>;
  /** Only these programs; of those with a list, only these cases. */
  readonly programs?: readonly (Program | readonly [Program, string])[];
  /** Frames get lost: the run must show retransmissions. */
  readonly lossy: boolean;
}

const mcaArgs = (mca: Readonly<Record<string, string>>): string[] =>
  Object.entries(mca).flatMap(([name, value]) => ['--mca', name, value]);

/**
 * Message sizes at which the BTL changes its way: the values of those of its
 * parameters that are sizes, and what fits into one frame at `mtu`.
 */
export async function boundaries(site: Site, mtu: number): Promise<number[]> {
  const { stdout } = await site.admin(['ompi_info', '--parsable', '--param', 'btl', 'vfring', '--level', '9']);
  const found = [...stdout.matchAll(/^mca:btl:vfring:param:\w+_(?:limit|size|length|min|max|threshold):value:(\d+)$/gm)]
    .map((match) => Number(match[1]))
    .filter((bytes) => bytes >= BOUNDARY_BYTES.least && bytes <= BOUNDARY_BYTES.most);
  assert.ok(found.length > 0, `ompi_info shows sizes of btl vfring: ${stdout}`);
  return [...new Set([...found, mtu - HEADER_BYTES])].sort((a, b) => a - b);
}

/**
 * One-sided communication by messages, where Open MPI has it (4.1). Debian 12
 * switches it off, and leaves nothing but shared memory to btl/tcp and us.
 */
async function oneSidedMca(site: Site): Promise<Record<string, string>> {
  const { stdout } = await site.admin(['ompi_info', '--parsable', '--param', 'osc', 'all', '--level', '1']);
  return { osc: /^mca:osc:pt2pt:/m.test(stdout) ? 'pt2pt' : '^sm,ucx' };
}

/** Sum of a counter over the lines that btl_vfring_stats prints, one a process. */
function sumOf(counter: string, output: string): number {
  return [...output.matchAll(new RegExp(`\\b${counter}=(\\d+)`, 'g'))].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** So that mpirun, or a process that does without, hears what it spawns: mpi-tests/README.md. Processes of Open MPI 5 do not start so. */
const HEARING = ['sh', '-c', 'case "$(mpirun --version)" in *") 4."*) export EVENT_NOEPOLL=1 ;; esac; exec "$@"', 'sh'];

async function conforms(site: Site, wire: Wire, program: Program, args: readonly string[]): Promise<void> {
  const mca = { ...wire.mca, btl_vfring_stats: '1', ...(program === 'onesided' || program === 'atomics' ? await oneSidedMca(site) : {}) };
  const { status, stdout, stderr } = await asUser(site, [...HEARING, ...mpirun(wire.ranks, ...mcaArgs(mca), join(site.programs, program),
    ...(wire.quick ? ['--quick'] : []), '--timeout', String(CASE_TIMEOUT_S), ...args)], { timeoutS: PROGRAM_TIMEOUT_S });
  const output = stdout + stderr;
  assert.equal(status, 0, output);
  assert.match(stdout, new RegExp(`^${program}: ok, ${wire.ranks} ranks, [1-9]\\d* cases passed`, 'm'), output);
  assert.ok(sumOf('tx_frames', output) > 0, `frames were sent: ${output}`);
  if (wire.lossy) {
    assert.ok(sumOf('fast_retransmits', output) + sumOf('timeout_retransmits', output) > 0, `frames were repeated: ${output}`);
  }
}

function suite(site: Site, mtu: number, wires: readonly Wire[]): void {
  for (const wire of wires) {
    describe(`${site.kind}: conformance, ${wire.title}, ${wire.ranks} ranks`, () => {
      let daemon: Daemon;
      let sizes: string;
      before(async () => {
        sizes = (await boundaries(site, Number(wire.mca['btl_vfring_mtu'] ?? mtu))).join(',');
        daemon = await site.startDaemon({ vfs: VFS, mtu });
      });
      after(async () => {
        await allReturned(site);
        await daemon.stop();
      });

      for (const entry of wire.programs ?? PROGRAMS) {
        const [program, cases] = typeof entry === 'string' ? [entry] : entry;
        test(`${program}, ${wire.ranks} ranks`, async () => {
          await conforms(site, wire, program, ['--boundaries', sizes, ...(cases !== undefined ? ['--case', cases] : [])]);
        });
      }
    });
  }
}

/** A singleton: its processes have a launcher, it has none. */
function withoutMpirun(site: Site): void {
  describe(`${site.kind}: a process that was started without mpirun`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: VFS });
    });
    after(async () => {
      await allReturned(site);
      await daemon.stop();
    });

    test('spawns others, and connects, accepts and joins', async () => {
      const env = ['OMPI_MCA_pml=ob1', 'OMPI_MCA_btl=self,vfring', 'OMPI_MCA_btl_vfring_stats=1', 'OMPI_MCA_rmaps_base_oversubscribe=1', 'PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe'];
      const { status, stdout, stderr } = await asUser(site, [...HEARING, 'env', ...env, join(site.programs, 'processes'), '--quick', '--timeout', String(CASE_TIMEOUT_S)], { timeoutS: PROGRAM_TIMEOUT_S });
      const output = stdout + stderr;
      assert.equal(status, 0, output);
      assert.match(stdout, /^processes: ok, 1 ranks, [1-9]\d* cases passed/m, output);
      assert.ok(sumOf('tx_frames', output) > 0, `frames were sent: ${output}`);
    });
  });
}

/** Spawned processes that find no VF: said at once, with remedy; when the job has ended nothing is left of it. */
function spawnWithoutVfs(site: Site): void {
  describe(`${site.kind}: more processes are spawned than there are VFs`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: 2 });
    });
    after(async () => {
      await daemon.stop();
    });

    for (const [title, launch] of [['mpirun', mpirun], ['vfring run', vfringRun]] as const) {
      test(title, async () => {
        // Its timeout ends the parents: whether Open MPI ends them with their children depends on its version.
        const program = [join(site.programs, 'processes'), '--quick', '--timeout', '20', '--case', 'spawned_processes_exchange_messages_with_their_parents'];
        const { status, stdout, stderr } = await asUser(site, launch(2, ...program), { timeoutS: PROGRAM_TIMEOUT_S });
        const output = stdout + stderr;
        assert.notEqual(status, 0, output);
        assert.match(output.replace(/\s+/g, ' '), /asked for, but this process cannot use it\..* Cause: all 2 VFs of this node are leased(, 2 of them to this job)? \(VFRING_ERR_NO_FREE_VF\) Remedy: wait for a job to end/);
        await allReturned(site);
      });
    }

    test('the next job has all VFs', async () => {
      const { status, stdout, stderr } = await asUser(site, mpirun(2, join(site.programs, 'ring'), '--quick'), { timeoutS: PROGRAM_TIMEOUT_S });
      assert.equal(status, 0, stdout + stderr);
    });
  });
}

/**
 * On a good wire: two ranks and four, and three with short frames. The emulated
 * machine has two processors: a third rank would wait for its turn on one of them
 * with each of the 280,000 frames of one-sided operations with gaps.
 */
export function conformanceTests(site: Site): void {
  const emulated = site.kind !== 'soft';
  const good = { quick: emulated, lossy: false } as const;
  suite(site, 9000, [
    { ...good, title: 'MTU 9000', ranks: 2, mca: {} },
    ...(emulated ? [] : [{ ...good, title: 'MTU 9000', ranks: 4, mca: {} }]),
    // Six processes on two emulated processors take minutes for what they spawn: once is enough.
    { ...good, title: 'MTU 1500', ranks: emulated ? 2 : 3, quick: true, mca: { btl_vfring_mtu: '1500' }, ...(emulated ? { programs: PROGRAMS.filter((name) => name !== 'processes') } : {}) },
  ]);
  withoutMpirun(site);
  spawnWithoutVfs(site);
}

/** On a wire that loses frames; soft VFs can do that. */
export function lossTests(site: Site): void {
  const bad = { quick: false, lossy: true } as const;
  suite(site, 9000, [
    { ...bad, title: '1 % of the frames lost', ranks: 3, mca: { btl_vfring_soft_faults: 'drop=0.01,seed=1' } },
    { ...bad, title: '5 % of the frames lost', ranks: 4, quick: true, mca: { btl_vfring_soft_faults: 'drop=0.05,seed=2' } },
  ]);
}

/** Fragments that overtake one another show here first. */
const NESTED = ['datatypes', 'nested_structs_arrive_whole_when_many_are_under_way'] as const;

/**
 * With few send slots, and with small rings: nothing that the standard promises,
 * order least of all, depends on their number. A part of the programs in each setting.
 */
export function fewSlotsTests(site: Site): void {
  const few = { quick: true, ranks: 4 } as const;
  const rings = { btl_vfring_tx_entries: '32', btl_vfring_rx_entries: '64' } as const;
  const mca = { btl_vfring_mtu: '1500' } as const;
  const lossy = { btl_vfring_soft_faults: 'drop=0.01,seed=3' } as const;
  suite(site, 9000, [
    { ...few, title: '16 slots, small rings', lossy: false, mca: { ...mca, ...rings, btl_vfring_slots: '16' }, programs: [NESTED, 'collectives'] },
    { ...few, title: '32 slots, 1 % of the frames lost', ranks: 3, lossy: true, mca: { ...mca, ...lossy, btl_vfring_slots: '32' }, programs: ['datatypes', 'threads'] },
    { ...few, title: '48 slots, small rings', lossy: false, mca: { ...mca, ...rings, btl_vfring_slots: '48' }, programs: [NESTED, 'requests'] },
    { ...few, title: '96 slots, small rings, 1 % of the frames lost', lossy: true, mca: { ...mca, ...rings, ...lossy, btl_vfring_slots: '96' }, programs: [NESTED, 'onesided'] },
    { ...few, title: '96 slots, messages by frames only', lossy: false, mca: { ...mca, btl_vfring_slots: '96', btl_vfring_flags: '1' }, programs: [NESTED, 'matching'] },
  ]);
}
