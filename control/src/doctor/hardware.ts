// SPDX-License-Identifier: BSD-3-Clause
/**
 * What `vfring doctor --hardware` does with a card: two VFs of one PF carry MPI between two processes, in all the ways that need the
 * card's own doing, and their counters and the kernel's log are looked at. Each step is judged by itself, and those after one that failed
 * are done all the same: the report is for people who do not have the card.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api/client.js';
import type { JobView, VfView } from '../api/views.js';
import { causeText } from '../errors.js';

/** How a program of ours ended. */
export interface Ran {
  /** Null: by a signal, or it was ended because it took too long. */
  readonly status: number | null;
  readonly seconds: number;
  /** Its last words. */
  readonly tail: string;
}

export interface HardwareTools {
  readonly api: Pick<ApiClient, 'status' | 'createJob' | 'job' | 'endJob'>;
  /**
   * Runs a program of libexec with two ranks over VFs of that job, and nothing else.
   *
   * @param during what is done beside it, told when it has ended
   */
  run(job: string, options: readonly string[], program: readonly [string, ...string[]], during?: (over: () => boolean) => Promise<void>): Promise<Ran>;
  /** Within this a process that has its VF sends something; 30 s if it is not said. */
  readonly sendsMs?: number;
  /** Sends SIGKILL. */
  kill(pid: number): void;
  /** What the kernel has said since the test began of VFs, their drivers and the IOMMU; undefined: it may not be read. */
  kernelLog(): Promise<readonly string[] | undefined>;
  /** Makes the file that ends an endless program. */
  endEndless(): void;
  /** Its name. */
  readonly endFile: string;
  /** Ends it: no further step is begun. */
  readonly signal: AbortSignal;
  /** Told as each step ends. */
  progress(result: StepResult): void;
}

export interface StepResult {
  readonly step: string;
  readonly verdict: 'ok' | 'fail' | 'unknown';
  /** What was seen. */
  readonly cause: string;
  readonly seconds: number;
  /** What the VFs carried by their own counters; null where they are not counted. */
  readonly traffic: readonly Carried[];
  /** The program's last words, where it failed. */
  readonly output: string;
}

export interface Carried {
  readonly vf: string;
  readonly pf: string;
  readonly tx_frames: number;
  readonly rx_frames: number;
  readonly tx_bytes: number;
  readonly rx_bytes: number;
}

type Verdict = Pick<StepResult, 'verdict' | 'cause'>;

interface Step {
  readonly name: string;
  readonly options?: readonly string[];
  readonly program: readonly [string, ...string[]];
  /** Something that is done to it; what is returned counts in place of how it ended. */
  readonly during?: (job: string, over: () => boolean) => Promise<Verdict>;
}

const good = (cause: string): Verdict => ({ verdict: 'ok', cause });
const bad = (cause: string): Verdict => ({ verdict: 'fail', cause });

const POLL_MS = 200;
/** Against hanging only. */
const FREE_AGAIN_MS = 60_000;
const SENDS_MS = 30_000;
/** Frames that one has sent and the other had no time to receive: a process that ends pays its last acknowledgement. */
const LATE_FRAMES = 2;
/** Of all frames. An acknowledgement that finds no descriptor is dropped, and need not be sent again: the next one says as much. */
const DROPPED_SHARE = 0.01;

/** @param minutes of messages without a pause, every byte compared */
export function hardwareSteps(minutes: number, tools: HardwareTools): Step[] {
  const endless = (...args: string[]): [string, ...string[]] => ['pingpong', ...args, '--until', tools.endFile];
  // A message in one frame, in several, and as memory that the other side reads.
  const few = ['--quick', '--samples', '2', '--sizes', '8,20000,256K'];
  return [
    { name: 'messages of 0 B to 4 MiB, every byte compared', program: ['pingpong', '--quick', '--samples', '2', '--check-all'] },
    { name: 'processes that sleep until an interrupt of their VF', options: ['--mca', 'btl_vfring_wait', 'event'], program: ['ring', '--quick'] },
    { name: 'windows of messages in both directions', program: ['bandwidth', ...few, '--pattern', 'both-ways'] },
    { name: 'messages that nobody has asked for yet', program: ['bandwidth', ...few, '--pattern', 'unexpected'] },
    { name: 'one-sided accesses', program: ['putget', '--quick', '--iters', '3', '--window', '4', '--sizes', '8,20000,256K'] },
    ...(minutes === 0 ? [] : [{
      name: `${minutes} minutes of messages without a pause, every byte compared`,
      program: endless('--check-all', '--sizes', '0,8,1448,16K,256K,1M'),
      during: async (_job: string, over: () => boolean): Promise<Verdict> => {
        const until = performance.now() + minutes * 60_000;
        while (!over() && !tools.signal.aborted && performance.now() < until) {
          await sleep(POLL_MS);
        }
        const early = over();
        tools.endEndless();
        return early ? bad('it ended before its time') : good('all were as they were sent');
      },
    }]),
    {
      name: 'a process that is killed: its VF comes back, and a job after it has it',
      program: endless('--sizes', '1K'),
      during: async (job: string, over: () => boolean): Promise<Verdict> => {
        const pids = async (): Promise<number[]> => (await tools.api.job(job)).leases.filter(({ state }) => state === 'held').map(({ pid }) => pid);
        let held = await pids();
        while (!over() && held.length < 2) {
          await sleep(POLL_MS);
          held = await pids();
        }
        if (held[0] === undefined || over()) {
          tools.endEndless();
          return bad('no VF was leased');
        }
        // In the middle of it; a VF that never sends is found by its counters, afterwards.
        for (const until = performance.now() + (tools.sendsMs ?? SENDS_MS); !over() && performance.now() < until && trafficOf(await tools.api.job(job)).some(({ tx_frames: sent }) => sent === 0);) {
          await sleep(POLL_MS);
        }
        tools.kill(held[0]);
        return good('it was killed');
      },
    },
    { name: 'the job after that', program: ['pingpong', '--quick', '--samples', '2', '--max', '64K'] },
  ];
}

/** Two free VFs of one PF at least, or why not. */
export function whyNot(vfs: readonly VfView[]): string | undefined {
  const free = vfs.filter(({ state, link_up: up }) => state === 'free' && up);
  const most = Math.max(0, ...[...new Set(free.map(({ pf }) => pf))].map((pf) => free.filter((vf) => vf.pf === pf).length));
  return most >= 2 ? undefined : `two free VFs of one PF with a link are needed, and there ${most === 1 ? 'is one' : 'is none'}`;
}

export async function testHardware(minutes: number, tools: HardwareTools): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const step of hardwareSteps(minutes, tools)) {
    const result = await doStep(step, tools);
    tools.signal.throwIfAborted();
    results.push(result);
    tools.progress(result);
  }
  const log = await logResult(tools);
  tools.progress(log);
  return [...results, log];
}

async function doStep({ name, options = [], program, during }: Step, tools: HardwareTools): Promise<StepResult> {
  const { api } = tools;
  let [ran, done, job]: [Ran | undefined, Verdict | undefined, JobView | undefined] = [undefined, undefined, undefined];
  try {
    // Both on one PF: two PFs may have no wire between them.
    const { id } = await api.createJob({ ranks: 2, vfs: 2, spread: 'pack', wait_s: 60 });
    try {
      ran = await tools.run(id, options, program, during && (async (over) => {
        done = await during(id, over).catch((error: unknown) => bad(causeText(error)));
      }));
      job = await ended(id, tools);
    } finally {
      await api.endJob(id, { kill: true }).catch(() => undefined);
    }
  } catch (error) {
    return { step: name, ...bad(causeText(error)), seconds: ran?.seconds ?? 0, traffic: [], output: ran?.tail ?? '' };
  }
  const traffic = trafficOf(job);
  const verdict = judge(ran, done, name, traffic, job);
  return { step: name, ...verdict, seconds: ran.seconds, traffic, output: verdict.verdict === 'ok' ? '' : ran.tail };
}

/** The job once all of its leases have ended: only then do their counters stand. */
async function ended(id: string, { api }: HardwareTools): Promise<JobView> {
  for (const until = performance.now() + FREE_AGAIN_MS; ; await sleep(POLL_MS)) {
    const job = await api.job(id);
    const held = job.leases.filter(({ state }) => state === 'held').flatMap(({ vfs }) => vfs.map(({ name }) => name));
    const late = (await api.status()).vfs.filter(({ name, state }) => state !== 'free' && job.leases.some(({ vfs }) => vfs.some((vf) => vf.name === name)));
    if (held.length === 0 && late.length === 0) {
      return job;
    }
    if (performance.now() > until) {
      throw new Error(`VFs did not come back: ${[...held, ...late.map(({ name, state, reason }) => `${name} is ${state}${reason === null ? '' : ` (${reason})`}`)].join(', ')}`);
    }
  }
}

function trafficOf(job: JobView): Carried[] {
  return job.leases.flatMap(({ vfs }) => vfs.flatMap(({ name, pf, traffic }) => (traffic === null ? [] : [{
    vf: name, pf, tx_frames: traffic.tx_frames, rx_frames: traffic.rx_frames, tx_bytes: traffic.tx_bytes, rx_bytes: traffic.rx_bytes,
  }])));
}

function judge(ran: Ran, done: Verdict | undefined, name: string, traffic: readonly Carried[], job: JobView): Verdict {
  if (done?.verdict === 'fail') {
    return done;
  }
  const killed = name.startsWith('a process that is killed');
  if (killed === (ran.status === 0)) {
    return bad(killed ? 'the job went on as if nothing had been' : ran.status === null ? 'it did not end by itself' : `exit status ${ran.status}`);
  }
  if (job.totals.fallbacks > 0) {
    return bad('the two processes did not talk over their VFs');
  }
  const [a, b] = traffic;
  if (a === undefined || b === undefined) {
    return done ?? good('the bytes were right; what VFs of vfio-pci carry is not counted');
  }
  if (a.tx_frames === 0 || b.tx_frames === 0) {
    return bad(`the counters of ${a.tx_frames === 0 ? a.vf : b.vf} say that it has sent nothing`);
  }
  const again = job.leases.flatMap(({ vfs }) => vfs).reduce((all, { retransmitted_frames: frames }) => all + (frames ?? 0), 0);
  const strange = [[a.tx_frames, b.rx_frames], [b.tx_frames, a.rx_frames]].some(([out = 0, into = 0]) =>
    into > out || out - into > LATE_FRAMES + again + DROPPED_SHARE * out);
  const sum = `${a.tx_frames + b.tx_frames} frames, ${a.tx_bytes + b.tx_bytes} bytes${again === 0 ? '' : `; ${again} frames were sent again`}`;
  // Of a job that was killed the last frames went to nobody. What the card dropped was sent again.
  if (!killed && strange) {
    return bad(`the counters of the two VFs do not agree: ${a.vf} sent ${a.tx_frames} and received ${a.rx_frames} frames, ${b.vf} ${b.tx_frames} and ${b.rx_frames}`);
  }
  return good(sum);
}

async function logResult(tools: HardwareTools): Promise<StepResult> {
  const start = performance.now();
  const lines = await tools.kernelLog();
  const faults = lines?.filter((line) => /fault|BUG:|WARNING:|Oops|hang|call trace/i.test(line)) ?? [];
  const verdict: Verdict = lines === undefined
    ? { verdict: 'unknown', cause: "the kernel's log may not be read: add the lines of dmesg since the test" }
    : faults.length > 0 ? bad(`lines that tell of faults: ${faults.length}`) : good('no fault');
  return { step: "the kernel's log", ...verdict, seconds: (performance.now() - start) / 1000, traffic: [], output: (faults.length > 0 ? faults : lines ?? []).slice(-50).join('\n') };
}
