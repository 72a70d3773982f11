// SPDX-License-Identifier: BSD-3-Clause
/** The test of a card, played: what goes wrong is told of the step where it did, and those after it are done. */
import { describe, expect, test } from 'vitest';
import type { JobView, VfView } from '../src/api/views.js';
import { testHardware, whyNot, type HardwareTools, type Ran, type StepResult } from '../src/doctor/hardware.js';

const vf = (name: string, pf = 'ens1', more: Partial<VfView> = {}): VfView => ({ name, pf, state: 'free', link_up: true, reason: null, lease: null, ...more }) as unknown as VfView;

interface Played {
  status?: (args: readonly string[]) => number | null;
  /** Of each VF: frames out and in; null: not counted. */
  traffic?: readonly ({ out: number; in: number } | null)[];
  fallbacks?: number;
  again?: number;
  log?: readonly string[] | undefined;
}

function play({ status = () => 0, traffic = [{ out: 100, in: 90 }, { out: 90, in: 99 }], fallbacks = 0, again = 0, log = [] }: Played): { tools: HardwareTools; killed: number[] } {
  const killed: number[] = [];
  let [jobs, over, running] = [0, false, false];
  const job = (id: string): JobView => ({
    id, totals: { fallbacks },
    leases: traffic.map((t, rank) => ({
      pid: 100 + rank, state: running ? 'held' : 'ended',
      vfs: [{ name: `vf${rank}`, pf: 'ens1', retransmitted_frames: again, traffic: t && { tx_frames: t.out, rx_frames: t.in, tx_bytes: t.out * 100, rx_bytes: t.in * 100 } }],
    })),
  }) as unknown as JobView;
  const tools = {
    api: {
      status: async () => ({ vfs: [vf('vf0'), vf('vf1')] }),
      createJob: async () => job(`j-${++jobs}`),
      job: async (id: string) => job(id),
      endJob: async (id: string) => job(id),
    },
    endFile: '/x/over', sendsMs: 50, signal: new AbortController().signal,
    kill: (pid: number) => {
      killed.push(pid);
      over = true;
    },
    endEndless: () => void (over = true),
    kernelLog: async () => log,
    progress: () => {},
    run: async (_job: string, _options: readonly string[], program: readonly string[], during?: (over: () => boolean) => Promise<void>): Promise<Ran> => {
      over = false;
      running = during !== undefined;
      const before = killed.length;
      await during?.(() => over);
      running = false;
      return { status: killed.length > before ? 137 : status(program), seconds: 1, tail: `the end of ${program[0]}` };
    },
  } as unknown as HardwareTools;
  return { tools, killed };
}

const failed = (results: readonly StepResult[]): string[] => results.filter(({ verdict }) => verdict === 'fail').map(({ step, cause }) => `${step}: ${cause}`);

describe('a card is tested', () => {
  test('all goes well: each step has what its VFs carried, and a process was killed', async () => {
    const { tools, killed } = play({});
    const results = await testHardware(0, tools);
    expect(failed(results)).toEqual([]);
    expect(killed).toEqual([100]);
    expect(results.length).toBeGreaterThanOrEqual(8);
    expect(results[0]?.cause).toBe('190 frames, 19000 bytes');
    expect(results.every(({ output }) => output === '')).toBe(true);
  });

  test('a process is killed when its VFs have sent something, not before', async () => {
    const { tools, killed } = play({});
    let looks = 0;
    const job = async (id: string): Promise<JobView> => {
      const view = await tools.api.job(id);
      const held = view.leases.some(({ state }) => state === 'held');
      const early = held && ++looks < 4;
      expect(early && killed.length > 0).toBe(false);
      return early ? { ...view, leases: view.leases.map((lease) => ({ ...lease, vfs: lease.vfs.map((of) => ({ ...of, traffic: of.traffic && { ...of.traffic, tx_frames: 0 } })) })) } : view;
    };
    expect(failed(await testHardware(0, { ...tools, sendsMs: 10_000, api: { ...tools.api, job } }))).toEqual([]);
    expect([looks, killed]).toEqual([4, [100]]);
  });

  test('a program that fails fails its step alone, with its last words', async () => {
    const results = await testHardware(0, play({ status: ([program]) => (program === 'ring' ? 3 : 0) }).tools);
    expect(failed(results)).toEqual(['processes that sleep until an interrupt of their VF: exit status 3']);
    expect(results.find(({ verdict }) => verdict === 'fail')?.output).toBe('the end of ring');
  });

  test.each([
    ['a VF whose counters say that it has sent nothing', { traffic: [{ out: 0, in: 9 }, { out: 9, in: 0 }] }, 'the counters of vf0 say that it has sent nothing'],
    ['frames that one has sent and the other has not received', { traffic: [{ out: 100, in: 90 }, { out: 90, in: 80 }] }, 'the counters of the two VFs do not agree: vf0 sent 100 and received 90 frames, vf1 90 and 80'],
    ['messages that went another way', { fallbacks: 1 }, 'the two processes did not talk over their VFs'],
  ] as const)('%s', async (_what, played, cause) => {
    const [first] = await testHardware(0, play(played).tools);
    expect(first).toMatchObject({ verdict: 'fail', cause });
  });

  test('frames that the card dropped and that were sent again are no fault', async () => {
    const results = await testHardware(0, play({ traffic: [{ out: 100, in: 90 }, { out: 90, in: 80 }], again: 20 }).tools);
    expect(failed(results)).toEqual([]);
    expect(results[0]?.cause).toContain('40 frames were sent again');
  });

  test('VFs of vfio-pci, which are not counted', async () => {
    const results = await testHardware(0, play({ traffic: [null, null] }).tools);
    expect(failed(results)).toEqual([]);
    expect(results[0]?.cause).toContain('is not counted');
  });

  test("faults in the kernel's log, and a log that may not be read", async () => {
    const faulty = await testHardware(0, play({ log: ['DMAR: [DMA Write] fault addr 0x1000', 'igb: link up'] }).tools);
    expect(failed(faulty)).toEqual(["the kernel's log: lines that tell of faults: 1"]);
    const { tools } = play({});
    const unread = await testHardware(0, { ...tools, kernelLog: async () => undefined });
    expect(unread.at(-1)).toMatchObject({ verdict: 'unknown' });
  });

  test('a daemon that refuses fails the step with its words', async () => {
    const { tools } = play({});
    const refuse = async (): Promise<never> => {
      throw new Error('no VF is free');
    };
    const results = await testHardware(0, { ...tools, api: { ...tools.api, createJob: refuse } });
    expect(failed(results).every((line) => line.endsWith('no VF is free'))).toBe(true);
  });

  test('two free VFs of one PF are needed', () => {
    expect(whyNot([vf('a'), vf('b')])).toBeUndefined();
    expect(whyNot([vf('a'), vf('b', 'ens2')])).toContain('there is one');
    expect(whyNot([vf('a', 'ens1', { state: 'leased' }), vf('b', 'ens1', { link_up: false })])).toContain('there is none');
  });
});
