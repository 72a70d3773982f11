// SPDX-License-Identifier: BSD-3-Clause
/**
 * What goes wrong between two hosts and on one of them: the job goes on where it can, and else ends with a message that names
 * host, VF and cause, with every VF of a host that lives back. npm test -- lab-hosts-faults
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Site } from '../../lab/src/site.js';
import { eventually } from '../run.js';
import { mpirunOn, programs } from './hosts-helpers.js';

const VFS = 2;
/** Long enough to be disturbed in the middle, whatever the speed. */
const endless = [`${programs}/pingpong`, '--min', '1024', '--max', '1024', '--iters', '1000000', '--samples', '1000'];
/** Ends by itself, having compared what came. */
const finite = [`${programs}/bandwidth`, '--sizes=64K', '--samples=5'];

/** A job of two ranks, one a host, under way on host1; `text` is what it has said. */
interface Running {
  text: string;
  ended: boolean;
  readonly done: Promise<number>;
}

describe('two hosts, and what goes wrong', () => {
  let site: Site;

  const out = async (host: number, script: string): Promise<string> => {
    const { status, stdout, stderr } = await site.host(host).exec({ argv: ['sh', '-c', script] });
    assert.equal(status, 0, `host${host}: ${script}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  const sent = async (): Promise<number> => {
    const counters = await site.wires.counters();
    return Math.min(...['host1.pf0', 'host2.pf0'].map((port) => counters[port]!.tx.passed));
  };
  const flowing = async (job: Running): Promise<void> => {
    const before = await sent();
    await until(job, 'messages flow', async () => await sent() > before + 50);
  };

  async function until(job: Running, what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    await eventually(what, async () => {
      if (await condition()) {
        return true;
      }
      assert.ok(!job.ended, `the job ended before: ${what}\n${job.text}`);
      return false;
    }, 300);
  }

  async function start(argv: string[]): Promise<Running> {
    const job: Running = { text: '', ended: false, done: undefined as never };
    const done = site.host(1).exec({ argv, user: 'mpi', onOutput: (_, chunk) => (job.text += chunk.toString()) })
      .then(({ status }) => status).finally(() => (job.ended = true));
    done.catch(() => undefined);
    Object.assign(job, { done });
    await flowing(job);
    return job;
  }
  const plain = async (program: string[], mca: Readonly<Record<string, string>> = {}): Promise<Running> =>
    await start(mpirunOn({ hosts: 'host1,host2', ranks: 2, mca }, ...program));
  const vfringRun = async (program: string[], ...options: string[]): Promise<Running> =>
    await start(['vfring', 'run', '--local', 'vf', '-n', '2', '--host', 'host1:1,host2:1', ...options, '--', ...program]);

  /** All VFs of the host are root's again, closed, reset, with nothing registered, and vfringd has them free. */
  const clean = async (host: number): Promise<void> => {
    let seen = '';
    await eventually(`every VF of host${host} is back`, async () => {
      seen = await out(host, [
        'for d in /sys/class/uio_vf/*; do n=/dev/${d##*/}; echo "$(stat -c %u:%a $n) $(cat $d/state) $(cat $d/dma_live_bytes)"; done',
        `vfring status --json | node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).vfs.map((vf) => vf.state).join())'`,
      ].join('; '));
      return seen === [...Array.from({ length: VFS }, () => '0:600 free 0'), Array.from({ length: VFS }, () => 'free').join()].join('\n');
    }, 120).catch((error: unknown) => assert.fail(`${String(error)}\n${seen}`));
  };

  before(async () => {
    site = await Site.start({ hosts: 2, timeoutS: 1800 });
    await site.startDaemons(VFS, 1);
  });
  after(async () => await site.close());
  beforeEach(async () => {
    await Promise.all(site.hosts.filter(({ isOff }) => !isOff).map(({ number }) => clean(number)));
  });

  const twice = (job: Running) => (): boolean => job.text.split('Silent for:').length > 2;
  const impatient = { btl_vfring_silence_warn: '1' };
  const rankOf = (program: readonly string[]): string => `$(pgrep -x ${program[0]!.split('/').at(-1)!.slice(0, 15)})`;

  test('a wire that is cut until two warnings have come, and healed: nothing is missing', async () => {
    const job = await plain(finite, impatient);
    await site.wires.cut({ host: 'host2', wire: 'pf0' });
    await until(job, 'two warnings', twice(job));
    await site.wires.heal({ host: 'host2', wire: 'pf0' });
    assert.equal(await job.done, 0, job.text);
    assert.match(job.text, /^bandwidth: ok/m);
    assert.match(job.text, /Peer: +rank [01] on host[12], VF \S+/);
  });

  test('a rank that is stopped until two warnings have come, and continued: nothing is missing', async () => {
    const job = await plain(finite, impatient);
    await out(2, `kill -STOP ${rankOf(finite)}`);
    await until(job, 'two warnings', twice(job));
    assert.match(job.text, /Peer: +rank 1 on host2, VF \S+/);
    await out(2, `kill -CONT ${rankOf(finite)}`);
    assert.equal(await job.done, 0, job.text);
    assert.match(job.text, /^bandwidth: ok/m);
  });

  test('a vfringd that is killed and started anew: the job goes on', async () => {
    const job = await plain(endless);
    await out(2, 'kill -KILL $(cat /run/vfringd.pid)');
    await flowing(job);
    await out(2, 'rm /run/vfringd.log; setsid vfringd > /run/vfringd.log 2>&1 < /dev/null & echo $! > /run/vfringd.pid; until grep -qs "vfringd ready" /run/vfringd.log; do kill -0 $(cat /run/vfringd.pid) || exit 1; sleep 0.1; done');
    await flowing(job);
    await out(2, `kill -KILL ${rankOf(endless)}`);
    assert.notEqual(await job.done, 0);
  });

  test('a rank that is killed: the job ends, and names host, VF and cause', async () => {
    const job = await vfringRun(endless);
    await out(2, `kill -KILL ${rankOf(endless)}`);
    assert.equal(await job.done, 137, job.text);
    assert.match(job.text.replace(/\s+/g, ' '), /rank 1 .*on node host2 exited on signal 9/);
    assert.match(job.text, /^vfring: .*rank 1 on host2 \(VF \S+ of PF eth0\).* ended without MPI_Finalize/m);
  });

  test('the launcher\'s daemon of the other host is killed: the job ends, is no success, and names hosts and VFs', async () => {
    const job = await vfringRun(endless);
    await out(2, 'kill -KILL $(pgrep -x prted)');
    assert.notEqual(await job.done, 0, job.text);
    assert.match(job.text.replace(/\s+/g, ' '), /lost communication with a remote daemon.* on node host2/);
    assert.match(job.text, /rank [01] on host[12] \(VF \S+ of PF eth0\).* ended without MPI_Finalize/);
  });

  for (const { host, what } of [{ host: 2, what: 'the other host' }, { host: 1, what: 'the launcher\'s host' }]) {
    test(`the VF of ${what} has lost its link for good: the job ends with one message that names host, VF and cause`, async () => {
      const job = await plain(endless, { btl_vfring_link_timeout: '3' });
      await site.host(host).setCarrier(0, false);
      assert.notEqual(await job.done, 0);
      await site.host(host).setCarrier(0, true);
      const said = [...job.text.matchAll(/^ +This host: +(\S+), VF (\S+), link (.*)\n +Cause: +(.*)$/gm)].map((match) => match.slice(1));
      assert.equal(said.length, 1, job.text);
      assert.equal(said[0]![0], `host${host}`);
      assert.match(said[0]![2]!, /^down/);
      assert.match(said[0]![3]!, /the VF has had no link for 3 s/);
      await eventually('the PF has its link again', async () => await out(host, 'cat /sys/class/net/eth0/carrier') === '1');
    });
  }

  test('a host that is switched off: the job ends and names it, and on the other one all is clean', async () => {
    // When TCP between mpirun and its daemons finds that out is theirs to say: 8 minutes as delivered.
    const soon = Object.entries({ time: '2', intvl: '1', probes: '4' }).flatMap(([name, value]) => ['--prtemca', `oob_tcp_keepalive_${name}`, value]);
    const job = await vfringRun(endless, ...soon, ...Object.entries(impatient).flatMap(([name, value]) => ['--mca', name, value]));
    await site.host(2).switchOff();
    assert.notEqual(await job.done, 0, job.text);
    assert.match(job.text, /Peer: +rank 1 on host2, VF \S+/, job.text);
    assert.match(job.text.replace(/\s+/g, ' '), /lost communication with a remote daemon.* on node host2/);
    assert.match(job.text, /rank 0 on host1 \(VF \S+ of PF eth0\) ended without MPI_Finalize; of the ranks on host2 nothing is known/);
    await clean(1);
  });
});
