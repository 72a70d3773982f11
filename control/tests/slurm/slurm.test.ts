// SPDX-License-Identifier: BSD-3-Clause
/** What is read from Slurm's commands, as Slurm 24.11 prints it, and what the prolog and epilog make of it. */
import { describe, expect, test } from 'vitest';
import type { ApiClient } from '../../src/api/client.js';
import type { JobView, StatusView, VfView } from '../../src/api/views.js';
import { VfringError } from '../../src/errors.js';
import type { Exec } from '../../src/exec.js';
import { epilog } from '../../src/slurm/epilog.js';
import { fold, gresLines } from '../../src/slurm/gres.js';
import { jobEnv, prolog, type Scene } from '../../src/slurm/prolog.js';
import { parseGres, parseTimeLimit, slurm, withNote } from '../../src/slurm/slurm.js';

describe('texts of Slurm', () => {
  test.each([
    ['vf:2(IDX:0-1)', [0, 1]],
    ['vf:1(IDX:3)', [3]],
    ['gpu:1(IDX:0),vf:i350:3(IDX:0-1,4)', [0, 1, 4]],
    ['vf:0(IDX:N/A)'.replace('N/A', ''), []],
    ['', []],
    ['gpu:vf:2(IDX:0-1)', []],
  ])('GRES=%s', (text, places) => {
    expect(parseGres(text)).toEqual(places);
  });

  test('VFs without places, as without File=, cannot be told apart', () => {
    expect(() => parseGres('vf:2(CNT:2)')).toThrow('no File= for vf: vf:2(CNT:2) does not say which VFs');
  });

  test.each([['1-02:03:04', 93784], ['00:10:00', 600], ['UNLIMITED', undefined], ['Partition_Limit', undefined]])('TimeLimit=%s', (text, seconds) => {
    expect(parseTimeLimit(text)).toBe(seconds);
  });

  test.each([
    [['/dev/uiovf0', '/dev/uiovf1', '/dev/uiovf2', '/dev/uiovf5'], '/dev/uiovf[0-2,5]'],
    [['/dev/uiovf10', '/dev/uiovf9'], '/dev/uiovf[9-10]'],
    [['/dev/uiovf3'], '/dev/uiovf3'],
  ])('%j is File=%s', (devices, list) => {
    expect(fold(devices)).toBe(list);
  });

  test('the line of gres.conf', () => {
    expect(gresLines('host1', { vfs: ['/dev/uiovf1', '/dev/uiovf0'].map((device) => ({ device }) as VfView) })).toEqual([
      'NodeName=host1 Name=vf File=/dev/uiovf[0-1]', '# slurm.conf, in the line of this node: Gres=vf:2',
    ]);
  });

  test('a note takes the place of an earlier one of this node, and no other', () => {
    const comment = withNote(withNote('by hand', 'host1', 'a; b'), 'host2', 'c');
    expect(comment).toBe('by hand; vfring host1: a, b; vfring host2: c');
    expect(withNote(comment, 'host1', 'd')).toBe('by hand; vfring host2: c; vfring host1: d');
  });
});

const JOB = `JobId=7 JobName=b.sh
   JobState=RUNNING Reason=Prolog Dependency=(null)
   RunTime=00:00:00 TimeLimit=00:10:00 TimeMin=N/A
   JOB_GRES=vf:3
     Nodes=host1 CPU_IDs=0-1 Mem=400 GRES=vf:2(IDX:1-2)
     Nodes=host[2-3] CPU_IDs=1 Mem=0 GRES=vf:1(IDX:0)
   Comment=hi
   AdminComment=by hand
   TresPerNode=gres/vf:1
`;

/** Slurm's commands, played. What is told to them is in `told`. */
function fakeSlurm(options: { job?: string; gres?: string[]; fail?: RegExp; failure?: string; sacct?: (comment: string) => string } = {}) {
  const told: string[] = [];
  const { job = JOB, gres = ['/dev/uiovf[0-3]'], fail = /^$/, failure = 'slurm_load_jobs error: Unable to contact slurm controller', sacct = (comment) => `7|7|${comment}\n` } = options;
  const accounts = new Map<string, string>();
  const exec: Exec = async (program, args) => {
    const line = [program, ...args].join(' ');
    const done = (stdout: string, stderr = '') => ({ status: 0, stdout, stderr });
    if (fail.test(line)) {
      return { status: 1, stdout: '', stderr: failure };
    }
    if (line.startsWith('scontrol show job')) {
      return done(job);
    }
    if (line.startsWith('scontrol show hostnames')) {
      const [, stem, first, last] = /(\S+)\[(\d)-(\d)\]$/.exec(line) as unknown as [string, string, string, string];
      return done(Array.from({ length: Number(last) - Number(first) + 1 }, (_unused, i) => `${stem}${Number(first) + i}\n`).join(''));
    }
    if (program === 'slurmd') {
      return done('', gres.map((file) => `slurmd: Gres Name=vf Type=(null) Count=4 Index=0 ID=26230 File=${file} Links=(null) Flags=HAS_FILE\n`).join(''));
    }
    if (program === 'sacct') {
      return done(sacct(accounts.get('7') ?? ''));
    }
    if (program === 'sacctmgr') {
      accounts.set('7', /AdminComment=(.*)$/.exec(line)?.[1] as string);
    }
    told.push(line);
    return done('');
  };
  return { exec, told, accounts };
}

const NO_WAIT = { forMs: 0, everyMs: 1 };

function scene(exec: Exec, api: Partial<ApiClient>) {
  const refused = new Map<string, readonly string[]>();
  const said: string[] = [];
  const value: Scene = {
    slurm: slurm(exec), api: api as ApiClient, say: (line) => void said.push(line), waiting: NO_WAIT,
    refusals: { put: (id, lines) => void refused.set(id, lines), drop: (id) => void refused.delete(id) },
  };
  return { value, refused, said };
}

const env = (node = 'host1') => jobEnv({ SLURM_JOB_ID: '7', SLURM_JOB_UID: '1000', SLURMD_NODENAME: node });

/** What Slurm shows for the number of a task that is the number of its array, too: all tasks. */
const ARRAY = [8, 7].map((id) => JOB.replace('JobId=7 ', `JobId=${id} ArrayJobId=7 ArrayTaskId=${id === 7 ? 2 : 1} `).replace('IDX:1-2', id === 7 ? 'IDX:2-3' : 'IDX:0-1')).join('\n');

describe('a task of an array whose number is the array\'s, too', () => {
  test('has its own VFs, not those of another task', async () => {
    expect((await slurm(fakeSlurm({ job: ARRAY }).exec).share('7', 'host1')).vfs).toEqual([2, 3]);
  });

  test('is told by itself, and noted by itself', async () => {
    const { exec, told } = fakeSlurm({ job: ARRAY, sacct: () => '8|7_1|other\n7|7_2|mine|too\n' });
    const { comment, account, accounted } = slurm(exec);
    await comment('7', 'why');
    const entry = await accounted('7');
    expect(entry).toEqual({ name: '7_2', adminComment: 'mine|too' });
    await account(entry as NonNullable<typeof entry>, 'bytes');
    expect(told).toEqual(['scontrol update JobId=7_2 AdminComment=why', 'sacctmgr -i modify job where jobid=7_2 set AdminComment=bytes']);
  });

  test('and so is a part of a heterogeneous job', async () => {
    const { exec, told } = fakeSlurm({ job: JOB.replace('JobId=7 ', 'JobId=7 HetJobId=7 HetJobOffset=0 ') });
    await slurm(exec).comment('7', 'why');
    expect(told).toEqual(['scontrol update JobId=7+0 AdminComment=why']);
  });
});

describe('the accounting', () => {
  test('that Slurm does not keep is not asked again', async () => {
    const { exec } = fakeSlurm({ fail: /sacct/, failure: 'Slurm accounting storage is disabled' });
    expect(await slurm(exec).accounted('7')).toBeUndefined();
  });

  test('that does not answer is no accounting that is not kept', async () => {
    const { exec } = fakeSlurm({ fail: /sacct/, failure: 'sacct: error: Problem talking to the database: Connection refused' });
    await expect(slurm(exec).accounted('7')).rejects.toMatchObject({ code: 'VFRING_ERR_SLURM' });
  });
});

describe('the prolog', () => {
  test('makes the job with the VFs, the memory and the time that Slurm gave it on this node', async () => {
    const made: unknown[] = [];
    const { exec, told } = fakeSlurm();
    const createJob = async (wish: unknown): Promise<JobView> => {
      made.push(wish);
      return { id: 'slurm-7' } as JobView;
    };
    expect(await prolog(env(), scene(exec, { createJob }).value)).toBe(0);
    expect(await prolog(env('host3'), scene(exec, { createJob }).value)).toBe(0);
    expect(made).toEqual([
      { id: 'slurm-7', uid: 1000, devices: ['/dev/uiovf1', '/dev/uiovf2'], memory_bytes: 400 * 2 ** 20, time_limit_s: 600 },
      { id: 'slurm-7', uid: 1000, devices: ['/dev/uiovf0'], time_limit_s: 600 },
    ]);
    expect(told).toEqual([]);
  });

  test('makes a part of a heterogeneous job by the number that its processes know, one on a node', async () => {
    const part = jobEnv({ SLURM_JOB_ID: '7', SLURM_HET_JOB_ID: '6', SLURM_JOB_UID: '1000', SLURMD_NODENAME: 'host1' });
    const made: unknown[] = [];
    const world = (other: string[]) => ({
      createJob: async (wish: unknown) => { made.push(wish); return { id: 'slurm-6' } as JobView; },
      job: async () => ({ state: 'open', assigned_vfs: other }) as unknown as JobView,
      status: async () => ({ vfs: [0, 1, 2, 3].map((n) => ({ name: `vf${n}`, device: `/dev/uiovf${n}` })) }) as unknown as StatusView,
    });
    // Run twice, it comes upon itself.
    expect(await prolog(part, scene(fakeSlurm().exec, world(['vf2', 'vf1'])).value)).toBe(0);
    expect(made).toMatchObject([{ id: 'slurm-6', devices: ['/dev/uiovf1', '/dev/uiovf2'] }]);
    const { exec, told } = fakeSlurm();
    const { value, refused } = scene(exec, world(['vf0']));
    expect(await prolog(part, value)).toBe(0);
    expect(refused.get('6')?.[0]).toContain('another part of heterogeneous job 6 has VFs on this node');
    expect(made).toHaveLength(1);
    expect(told.join()).not.toContain('DRAIN');
  });

  test('leaves a job without VFs alone, vfringd or not', async () => {
    const { exec, told } = fakeSlurm({ job: JOB.replaceAll(/vf:\d\(\S*\)/g, '') });
    expect(await prolog(env(), scene(exec, {}).value)).toBe(0);
    expect(told).toEqual([]);
  });

  test('a node without vfringd is drained with the reason, and the job may run elsewhere', async () => {
    const { exec, told } = fakeSlurm();
    const { value, refused } = scene(exec, { createJob: async () => { throw new VfringError('VFRING_ERR_NO_DAEMON', { socket: '/s', cause: 'gone' }); } });
    expect(await prolog(env(), value)).toBe(69);
    expect(told[0]).toMatch(/^scontrol update JobId=7 AdminComment=by hand; vfring host1: VFRING_ERR_NO_DAEMON: vfringd cannot be reached at \/s: gone \(remedy: start it/);
    expect(told[1]).toMatch(/^scontrol update NodeName=host1 State=DRAIN Reason=vfring: VFRING_ERR_NO_DAEMON/);
    expect(refused.size).toBe(0);
  });

  test("what is the job's own fault drains nothing: its tasks are told, and do not start", async () => {
    const { exec, told } = fakeSlurm();
    const { value, refused } = scene(exec, {
      createJob: async () => { throw new VfringError('VFRING_ERR_QUOTA', { uid: 1000, limit: 1, what: 'VFs', have: 0, wanted: 2, field: 'vfs_per_user' }); },
    });
    expect(await prolog(env(), value)).toBe(0);
    expect(told.filter((line) => line.includes('State=DRAIN'))).toEqual([]);
    expect(told[0]).toContain('VFRING_ERR_QUOTA: uid 1000 may have at most 1 VFs');
    expect(refused.get('7')?.[0]).toBe('host1: no VFs for job 7: VFRING_ERR_QUOTA: uid 1000 may have at most 1 VFs, has 0 and asks for 2 more');
  });

  test.each([
    [[], 'no line with File= for vf'],
    [['/dev/uiovf[0-1]', '/dev/uiovf[2-3]'], '2 lines for vf'],
    [['/dev/uiovf0'], '1 VFs, and Slurm has given out the one at place 1'],
  ])('gres.conf with %j is named', async (gres, what) => {
    const { exec, told } = fakeSlurm({ gres });
    expect(await prolog(env(), scene(exec, {}).value)).toBe(69);
    expect(told.at(-1)).toContain(what);
  });

  test('a slurmd that does not say what is in gres.conf is named as that', async () => {
    const { exec, told } = fakeSlurm({ fail: /^slurmd -G/, failure: 'ended by SIGKILL' });
    expect(await prolog(env(), scene(exec, {}).value)).toBe(69);
    expect(told.at(-1)).toContain('slurmd -G -N host1 failed: ended by SIGKILL');
  });

  test('VFs that gres.conf names no files for drain the node: which they are nobody can tell', async () => {
    const { exec, told } = fakeSlurm({ job: JOB.replace('vf:2(IDX:1-2)', 'vf:2(CNT:2)') });
    expect(await prolog(env(), scene(exec, {}).value)).toBe(69);
    expect(told.at(-1)).toContain('State=DRAIN Reason=vfring: VFRING_ERR_GRES: gres.conf, as slurmd reads it for this node, has no File= for vf');
  });

  test('a controller that does not answer drains nobody, and no VFs are given', async () => {
    const { exec } = fakeSlurm({ fail: /show job/ });
    const { value, said } = scene(exec, {});
    expect(await prolog(env(), value)).toBe(0);
    expect(said.at(-1)).toContain('Unable to contact slurm controller');
  });

  test('outside of Slurm it says what it is for', () => {
    expect(() => jobEnv({})).toThrow('not those of a prolog or epilog of Slurm');
  });
});

describe('the epilog', () => {
  const job = { id: 'slurm-7', assigned_vfs: ['a', 'b'], totals: { leases: 2, vf_seconds: 1, traffic: { tx_frames: 1, tx_bytes: 2, rx_frames: 3, rx_bytes: 4 }, uncounted_vfs: 0, peak_bytes: 5, reports: 1, retransmitted_frames: 6, fallbacks: 0 } } as unknown as JobView;
  const vf = (name: string, more: Partial<VfView> = {}): VfView => ({ name, device: `/dev/${name}`, state: 'free', reason: null, lease: null, ...more }) as VfView;
  const run = async (vfs: VfView[], amiss: (vf: VfView) => string | undefined = () => undefined, options: Parameters<typeof fakeSlurm>[0] = {}) => {
    const slurmd = fakeSlurm(options);
    const { value } = scene(slurmd.exec, { endJob: async () => job, job: async () => job, status: async () => ({ vfs }) as StatusView });
    const status = await epilog(env(), { ...value, freeMs: 0, inspect: async (each) => amiss(each) });
    return { status, ...slurmd };
  };

  test('finds the VFs free and clean, and writes down what they carried', async () => {
    const { status, accounts, told } = await run([vf('a'), vf('b')]);
    expect(status).toBe(0);
    expect(accounts.get('7')).toBe('vfring host1: vfs=2 processes=2 tx_bytes=2 rx_bytes=4 tx_frames=1 rx_frames=3 peak_pinned_bytes=5 retransmitted_frames=6 fallbacks=0 unreported_processes=1');
    expect(told.some((line) => line.includes('DRAIN'))).toBe(false);
  });

  test.each([
    ['is still driven', [vf('a'), vf('b', { state: 'draining', reason: 'a process still drives it' })], 'b (/dev/b) is draining: a process still drives it'],
    ['is gone', [vf('a')], 'b is no more'],
  ])('a VF that %s drains the node, with that for a reason', async (_what, vfs, reason) => {
    const { status, told } = await run(vfs);
    expect(status).toBe(0);
    expect(told.at(-1)).toBe(`scontrol update NodeName=host1 State=DRAIN Reason=vfring: VFs of job 7 are not free and clean: ${reason}`);
  });

  test('vfringd\'s word is not enough', async () => {
    const { told } = await run([vf('a'), vf('b')], ({ name }) => (name === 'a' ? '4096 bytes are still registered with it' : undefined));
    expect(told.at(-1)).toContain('a (/dev/a): 4096 bytes are still registered with it');
  });

  test('a VF that the next job has already has been free', async () => {
    const { told } = await run([vf('a'), vf('b', { state: 'leased', lease: { job: 'slurm-8' } as VfView['lease'] })]);
    expect(told.some((line) => line.includes('DRAIN'))).toBe(false);
  });

  test('without a prolog, or a second time, it does nothing', async () => {
    const { exec, told } = fakeSlurm();
    const unknown = async () => { throw new VfringError('VFRING_ERR_NO_SUCH_JOB', { job: 'slurm-7' }); };
    expect(await epilog(env(), { ...scene(exec, { endJob: unknown }).value, freeMs: 0, inspect: async () => undefined })).toBe(0);
    expect(told).toEqual([]);
  });

  test('without vfringd a node is drained for a job with VFs only', async () => {
    const gone = async () => { throw new VfringError('VFRING_ERR_NO_DAEMON', { socket: '/s', cause: 'gone' }); };
    const had = fakeSlurm();
    const more = { freeMs: 0, inspect: async () => undefined };
    expect(await epilog(env(), { ...scene(had.exec, { endJob: gone }).value, ...more })).toBe(0);
    expect(had.told.at(-1)).toContain('State=DRAIN Reason=vfring: the VFs of job 7 may not be free');
    const none = fakeSlurm({ job: JOB.replace('JOB_GRES=vf:3', 'JOB_GRES=(null)') });
    expect(await epilog(env(), { ...scene(none.exec, { endJob: gone }).value, ...more })).toBe(0);
    expect(none.told).toEqual([]);
  });

  test('when Slurm cannot be told to drain the node, the status does', async () => {
    const { status } = await run([vf('a')], undefined, { fail: /DRAIN/ });
    expect(status).toBe(69);
  });
});
