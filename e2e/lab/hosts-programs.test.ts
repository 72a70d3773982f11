// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs that know nothing of vfring between two hosts: on a good wire, on one that loses frames, and on one that is cut
 * for a while. npm test -- lab-hosts-programs
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { kernelFaults } from '../../lab/src/kernel-log.js';
import { Site } from '../../lab/src/site.js';
import { PROGRAMS } from '../conformance.test.js';
import { HPCC_INPUT, assertHpccPassed, assertNetpipeIntact } from '../programs.test.js';
import { eventually, sleep } from '../run.js';
import { type Launch, mpirunOn, programs } from './hosts-helpers.js';

const two: Launch = { hosts: 'host1,host2', ranks: 2 };
/** Two ranks a host: shared memory within, VFs between. */
const four: Launch = { hosts: 'host1:2,host2:2', ranks: 4, btl: 'self,sm,vfring' };
/** Ranks and what they spawn, on both hosts by turns. */
const spread = ['--map-by', 'node'];
/** As many as the ranks of a launch on one host, and the four processes that `processes` spawns at a time. */
const VFS = 6;
const netpipe = ['NPopenmpi', '-i', '-u', '65536', '-n', '3', '-o', '/tmp/np.out'];
const alltoall = [`${programs}/alltoall`, '--quick'];
/** Against hanging only: of a case of a conformance program. */
const CASE_TIMEOUT_S = '600';
/** Between two hosts of one processor each, with as little repeated as shows the same. */
const quickly = ['--quick', '--timeout', CASE_TIMEOUT_S];
const cutMs = 2000;
/**
 * Where windows are no messages (osc/rdma of Open MPI 5.0) each block of a datatype is locked, read and written by itself: 100,000 round trips
 * of messages between hosts, over any transport. The other tests have the case on one host.
 */
const HOURS_BY_RDMA = 'accumulates_with_long_descriptions_do_not_wait_for_each_other';

describe('programs between two hosts', () => {
  let site: Site;
  before(async () => {
    site = await Site.start({ hosts: 2, machine: { pfs: 1 }, timeoutS: 7200 });
    await site.startDaemons(VFS);
  });
  after(async () => await site.close());

  const received = async (): Promise<number> => (await site.wires.counters())['host2.pf0']!.rx.passed;

  const cutFrames = async (): Promise<number> => Object.values(await site.wires.counters()).reduce((sum, { tx, rx }) => sum + tx.cut + rx.cut, 0);

  /** Runs it as mpi; it must succeed, and have sent frames over the wire. Returns all that it printed. */
  async function succeeds(launch: Launch, program: readonly string[], dir = '/tmp'): Promise<string> {
    return await ranOn(['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', dir, ...mpirunOn(launch, ...program)]);
  }

  async function ranOn(argv: readonly string[]): Promise<string> {
    const before = await received();
    const { status, stdout, stderr } = await site.host(1).exec({ argv, user: 'mpi' });
    assert.equal(status, 0, stdout + stderr);
    assert.ok(await received() > before + 10, `frames went from host to host: ${stdout}${stderr}`);
    return stdout + stderr;
  }

  test('NetPIPE with its data check', async () => assertNetpipeIntact(await succeeds(two, netpipe)));

  test('every rank with every other', async () => {
    assert.match(await succeeds(four, alltoall), /^alltoall: ok, 4 ranks/m);
  });

  test('HPCC with two ranks on each host: its result file says that every test passed', async () => {
    for (const host of site.hosts) {
      await host.exec({ argv: ['sh', '-c', 'mkdir -p /tmp/hpcc && printf %s "$1" >/tmp/hpcc/hpccinf.txt', 'sh', HPCC_INPUT], user: 'mpi' });
    }
    await succeeds(four, ['hpcc'], '/tmp/hpcc');
    assertHpccPassed((await site.host(1).exec({ argv: ['cat', '/tmp/hpcc/hpccoutf.txt'] })).stdout);
  });

  for (const program of PROGRAMS.filter((name) => name !== 'processes')) {
    test(`conformance: ${program}`, async () => {
      const { stdout } = await site.host(1).exec({ argv: ['ompi_info', '--parsable', '--param', 'osc', 'all', '--level', '1'] });
      const osc = /^mca:osc:pt2pt:/m.test(stdout) ? 'pt2pt' : '^sm,ucx';
      const but = program === 'atomics' && osc !== 'pt2pt' ? ['--skip', HOURS_BY_RDMA] : [];
      const output = await succeeds({ ...two, mca: { osc } }, [`${programs}/${program}`, ...quickly, ...but]);
      assert.match(output, new RegExp(`^${program}: ok, 2 ranks, [1-9]\\d* cases passed`, 'm'), output);
    });
  }

  const spawns = [`${programs}/processes`, ...quickly];

  /**
   * Begun anew where mpirun of PRRTE 3.0.8 has spoilt its own memory, as it does over any transport when processes are spawned on
   * several hosts (mpi-tests/README.md): it crashes, or jobs do not find each other, and it does not end when the first one has.
   */
  async function spawning(argv: readonly string[], limitS = 2 * Number(CASE_TIMEOUT_S)): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const before = await received();
      const { status, stdout, stderr } = await site.host(1).exec({ argv: ['timeout', '-k', '10', String(limitS), ...argv], user: 'mpi' });
      if (status === 0) {
        assert.ok(await received() > before + 10, `frames went from host to host: ${stdout}${stderr}`);
        return stdout + stderr;
      }
      assert.ok(attempt < 10 && (/did not end within|PMIX ERROR: \w+ in file|lost communication with a remote daemon/.test(stderr) || [124, 134, 137, 139].includes(status)), `attempt ${attempt}: ${status}: ${stdout}${stderr}`);
      await site.execOnAll({ argv: ['sh', '-c', 'pkill -KILL -x processes; pkill -KILL -x prted; true'] });
    }
  }

  // One spawn a job: the children of a second one cannot start where they are on several hosts.
  for (const name of ['spawned_processes_exchange_messages_with_their_parents', 'merged_communicator_of_two_jobs_carries_messages']) {
    test(`on both hosts, parents and children: ${name}`, async () => {
      assert.match(await spawning(mpirunOn({ hosts: 'host1:3,host2:3', ranks: 2, options: spread }, ...spawns, '--case', name)), /^processes: ok, 2 ranks, 1 cases passed/m);
    });
  }

  // The first children fill host1, the second ones are on host2.
  for (const [name, hosts] of [['join_makes_a_communicator_of_a_socket', 'host1:1,host2:2'], ['connect_and_accept_bring_two_jobs_together', 'host1:3,host2:2'], ['intercomm_create_brings_two_jobs_together', 'host1:3,host2:2']] as const) {
    test(`a job on each host: ${name}`, async () => {
      const argv = mpirunOn({ hosts, ranks: 1 }, `${programs}/processes`, '--quick', '--timeout', '60', '--case', name);
      assert.match(await spawning(argv, 120), /^processes: ok, 1 ranks, 1 cases passed/m);
    });
  }

  test('spawned processes of both hosts are in the report of vfring run', async () => {
    const output = await spawning(['vfring', 'run', '--local', 'vf', '-n', '2', '--host', 'host1:3,host2:3', ...spread, '--',
      ...spawns, '--case', 'spawned_processes_exchange_messages_with_their_parents']);
    assert.match(output, /^processes: ok, 2 ranks, 1 cases passed/m);
    for (const host of site.hosts) {
      assert.equal([...output.matchAll(new RegExp(`^vfring: rank \\d on ${host.name}: VF .*: out [1-9]`, 'gm'))].length, 2, `${host.name}: ${output}`);
    }
  });

  describe('1 % of the frames lost', () => {
    before(async () => await site.wires.impair({}, { loss: 0.01 }));
    after(async () => await site.wires.impair({}, { loss: 0 }));
    const lost = async (): Promise<number> => (await site.wires.counters())['host2.pf0']!.rx.lost;

    test('NetPIPE with its data check', async () => {
      const before = await lost();
      assertNetpipeIntact(await succeeds(two, netpipe));
      assert.ok(await lost() > before);
    });

    test('every rank with every other', async () => {
      const before = await lost();
      assert.match(await succeeds(four, alltoall), /^alltoall: ok, 4 ranks/m);
      assert.ok(await lost() > before);
    });

    for (const program of ['matching', 'collectives'] as const) {
      test(`conformance: ${program}`, async () => {
        const before = await lost();
        assert.match(await succeeds(two, [`${programs}/${program}`, ...quickly]), new RegExp(`^${program}: ok, 2 ranks`, 'm'));
        assert.ok(await lost() > before);
      });
    }
  });

  describe('frames doubled and overtaken', () => {
    before(async () => await site.wires.impair({}, { duplicate: 0.02, reorder: 0.02 }));
    after(async () => await site.wires.impair({}, { duplicate: 0, reorder: 0 }));
    test('NetPIPE with its data check', async () => assertNetpipeIntact(await succeeds(two, netpipe)));
  });

  for (const [title, launch, program, good] of [
    ['NetPIPE with its data check', two, netpipe, assertNetpipeIntact],
    ['every rank with every other', four, alltoall, (output: string) => assert.match(output, /^alltoall: ok, 4 ranks/m)],
  ] as const) {
    test(`${title}, with the wire cut for ${cutMs / 1000} s and healed: the job goes on, nothing is lost`, async () => {
      const start = await received();
      let ended = false;
      const job = succeeds(launch, program).finally(() => (ended = true));
      job.catch(() => undefined);
      await eventually('the job sends', async () => ended || await received() > start + 200);
      await site.wires.cut({});
      const before = await cutFrames();
      await sleep(cutMs);
      await site.wires.heal({});
      good(await job);
      assert.ok(await cutFrames() > before, 'frames were lost in the cut');
    });
  }

  test('the kernels have no warnings', () => {
    site.hosts.forEach(({ name, guest }) => assert.deepEqual(kernelFaults(guest.consoleLog), [], name));
  });
});
