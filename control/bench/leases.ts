// SPDX-License-Identifier: BSD-3-Clause
/**
 * What leasing costs, on soft VFs: `node --import tsx control/bench/leases.ts [--cycles N] [--idle SECONDS]`.
 *
 * Starts the installed vfringd (build/prefix) in a folder of its own, asks for
 * 64 VFs at once (by ask.c), as the first that a daemon hears and again and again, runs lease cycles one after the
 * other, and looks at memory, descriptors and ledger before and after. Prints the table of
 * docs/performance/control.md, and one JSON object with everything.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { apiClient } from '../src/api/client.js';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '10000' }, idle: { type: 'string', default: '30' }, rounds: { type: 'string', default: '200' } },
});
const VFS = 64;
/** Of the page. */
const PORT = 9155;
/** V8 compiles what serves leases in about as many rounds: told apart from those that come after. */
const COLD_ROUNDS = 40;
/** V8 tidies up once, when nothing has happened for some seconds: 60 to 70 ms of CPU. */
const SETTLE_MS = 45_000;
const prefix = join(import.meta.dirname, '../../build/prefix');
let running: ChildProcess | undefined;
const dir = mkdtempSync(join(tmpdir(), 'vfrb-'));
const lease = join(dir, 'run', 'lease.sock');
const asker = join(dir, 'ask');
/** Where soft VFs belong: in memory. On a disk, making one anew waits for its journal. */
const soft = mkdtempSync('/dev/shm/vfrb-');

interface Measured {
  /** From connect to the whole answer, of each lease. */
  readonly ms: number[];
  /** CPU time of the daemon for a lease, of each round. */
  readonly cpu_ms: number[];
}

/** So many clients ask at once, and give back; again and again. */
async function ask(pid: number, clients: number, rounds: number): Promise<Measured> {
  const args = [lease, String(clients), String(rounds), String(pid)];
  const { stdout } = await promisify(execFile)(asker, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  return JSON.parse(stdout) as Measured;
}

/** The API answers one question after the other, from several clients, until it is told to stop. */
function busy(calls: readonly (() => Promise<unknown>)[]): () => Promise<void> {
  let over = false;
  const clients = calls.map(async (call) => {
    while (!over) {
      await call();
    }
  });
  return async () => {
    over = true;
    await Promise.all(clients);
  };
}

function busyApi(): () => Promise<void> {
  const api = apiClient(join(dir, 'run'));
  return busy([() => api.jobs(), () => api.status(), () => api.jobs(), () => api.plan()]);
}

/** 1,000 readers of the page who want its events: those that are sent away come again after a second, and none reads. */
function readers(): () => void {
  let over = false;
  const open = new Set<Socket>();
  const watch = (): void => {
    const socket = connect(PORT, '127.0.0.1', () => socket.write(`GET /v1/page/events HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    open.add(socket);
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      open.delete(socket);
      if (!over) {
        setTimeout(watch, 1000);
      }
    });
  };
  Array.from({ length: 1000 }, watch);
  return () => {
    over = true;
    open.forEach((socket) => socket.destroy());
  };
}

/** One VF more than is asked for cannot be made anew: vfringd looks at all of them, and tries to mend that one, again and again. */
function sickVf(): () => Promise<void> {
  const path = join(soft, `vf${VFS}`);
  rmSync(path);
  mkdirSync(path);
  const look = (): Promise<unknown> => new Promise((resolve, reject) => {
    request({ socketPath: join(dir, 'run', 'api.sock'), method: 'POST', path: '/v1/reconcile', agent: false }, (response) => {
      response.resume().once('end', resolve);
    }).once('error', reject).end('{}');
  });
  return busy([look]);
}

function quantiles(samples: number[]): Record<string, number> {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q: number): number => Number((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(2));
  return { samples: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: at(1) };
}

async function start(): Promise<{ daemon: ChildProcess; ms: number }> {
  const from = process.hrtime.bigint();
  const daemon = running = spawn(join(prefix, 'sbin', 'vfringd'), ['--config', join(dir, 'c.yaml'), '--run-dir', join(dir, 'run')], { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise<void>((resolve, reject) => {
    daemon.stdout?.on('data', (text) => String(text).includes('vfringd ready') && resolve());
    daemon.on('exit', () => reject(new Error('vfringd ended')));
  });
  return { daemon, ms: Number(process.hrtime.bigint() - from) / 1e6 };
}

async function stop(daemon: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => daemon.removeAllListeners('exit').once('exit', resolve));
  daemon.kill('SIGTERM');
  await ended;
}

/** CPU time of all threads in ms. /proc/PID/stat counts in ticks of 10 ms: too coarse for an idle daemon. */
function cpuMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0);
}

function look(pid: number): Record<string, number> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kb = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  const size = (name: string): number => statSync(join(dir, 'run', name), { throwIfNoEntry: false })?.size ?? 0;
  return {
    rss_mib: Number((kb('VmRSS') / 1024).toFixed(1)),
    private_mib: Number((kb('RssAnon') / 1024).toFixed(1)),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    ledger_kib: Math.round((size('ledger.db') + size('ledger.db-wal')) / 1024),
  };
}

/**
 * At real-time priority, daemon and clients, who inherit it and have work without a pause on purpose, would leave next to nothing
 * to other programs, and to the threads of the kernel that they themselves wait for: the computer stands still.
 * @throws Error with what to do
 */
function refuseRealTime(): void {
  // proc(5): the policy is the 41st field; the 2nd is in parentheses, and what comes after it begins with the 3rd.
  const policy = Number(readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '').split(' ')[41 - 3]);
  if ([1, 2, 6].includes(policy)) { // SCHED_FIFO, SCHED_RR, SCHED_DEADLINE
    throw new Error('this bench does not run at real-time priority: start it without chrt, on a computer that is idle otherwise');
  }
}

async function main(): Promise<void> {
  refuseRealTime();
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', asker, join(import.meta.dirname, 'ask.c')], { stdio: 'inherit' });
  writeFileSync(join(dir, 'c.yaml'), `version: 1\nprovider: {soft: {dir: ${soft}, vfs: ${VFS + 1}, mtu: 9000}}\nhttp: {listen: "127.0.0.1:${PORT}"}\n`);
  await stop((await start()).daemon); // makes the VFs
  const starts: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < 5; i++) {
    const { daemon, ms } = await start();
    starts.push(ms);
    first.push(...(await ask(daemon.pid ?? 0, VFS, 1)).ms);
    await stop(daemon);
  }
  const { daemon } = await start();
  const pid = daemon.pid ?? 0;
  await sleep(Number(values.idle) > 1 ? SETTLE_MS : 0);
  const before = cpuMs(pid);
  await sleep(Number(values.idle) * 1000);
  const idle = { ...look(pid), cpu_percent: Number(((cpuMs(pid) - before) / Number(values.idle) / 10).toFixed(3)) };

  const alone = await ask(pid, 1, 200);
  const together = await ask(pid, VFS, Number(values.rounds));
  const endBusy = busyApi();
  const withApi = await ask(pid, VFS, Number(values.rounds));
  await endBusy();
  const endReaders = readers();
  const read = await ask(pid, VFS, Number(values.rounds));
  endReaders();
  const endSick = sickVf();
  const sick = await ask(pid, VFS, Number(values.rounds));
  await endSick();
  const warmFrom = Math.min(COLD_ROUNDS, Math.floor(Number(values.rounds) / 2));
  const cycles = Number(values.cycles);
  const flat: Record<string, number>[] = [{ cycle: 0, ...look(pid) }];
  const part = Math.max(1, Math.floor(cycles / 4));
  for (let done = part; done <= cycles; done += part) {
    await ask(pid, 1, part);
    flat.push({ cycle: done, ...look(pid) });
  }
  await stop(daemon);
  const result = {
    machine: `${cpus()[0]?.model ?? ''}, ${cpus().length} CPUs, node ${process.version}`,
    taken: new Date().toISOString().slice(0, 10),
    load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' '),
    start_to_ready_ms: quantiles(starts),
    idle,
    lease_alone_ms: quantiles(alone.ms),
    lease_64_at_once_ms: {
      very_first: quantiles(first),
      cold: quantiles(together.ms.slice(0, warmFrom * VFS)),
      warm: quantiles(together.ms.slice(warmFrom * VFS)),
      api_busy: quantiles(withApi.ms),
      page_read: quantiles(read.ms),
      vf_sick: quantiles(sick.ms),
    },
    // By the kernel's own accounts; on a busy machine the lower ones are the daemon's.
    daemon_cpu_ms_per_lease: quantiles(together.cpu_ms.slice(warmFrom)),
    over_cycles: flat,
  };
  process.stdout.write(`${table(result)}\n${JSON.stringify(result, null, 2)}\n`);
}

interface Result {
  readonly machine: string;
  readonly taken: string;
  readonly load: string;
  readonly idle: Record<string, number>;
  readonly start_to_ready_ms: Record<string, number>;
  readonly lease_alone_ms: Record<string, number>;
  /** The first leases of a daemon; the first rounds of a running one; all others. */
  readonly lease_64_at_once_ms: Record<'very_first' | 'cold' | 'warm' | 'api_busy' | 'page_read' | 'vf_sick', Record<string, number>>;
  readonly daemon_cpu_ms_per_lease: Record<string, number>;
  readonly over_cycles: readonly Record<string, number>[];
}

/** As it stands in docs/performance/control.md. */
function table(result: Result): string {
  const { idle, over_cycles: flat } = result;
  const ms = (of: Record<string, number>): string =>
    `${of['median']} ms median, ${of['min']} ms at best, p99 ${of['p99']} ms (${of['samples']})`;
  const ends = (key: string): string => `${flat[0]?.[key]} to ${flat.at(-1)?.[key]}`;
  return [
    `${result.machine}; ${result.taken}, load average ${result.load}`,
    '',
    '| what | goal | measured |',
    '| --- | --- | --- |',
    `| idle memory (resident) | below 80 MiB | ${idle['rss_mib']} MiB, of which ${idle['private_mib']} MiB are its own |`,
    `| idle CPU, over ${values.idle} s | below 0.1 % | ${idle['cpu_percent']} % |`,
    `| start to ready, ${VFS + 1} VFs, which exist already | below 1 s | ${ms(result.start_to_ready_ms)} |`,
    `| one lease, nobody else | – | ${ms(result.lease_alone_ms)} |`,
    `| ${VFS} leases at once | p99 at most 50 ms | ${ms(result.lease_64_at_once_ms.warm)} |`,
    `| the same, the first rounds of a daemon | the same | ${ms(result.lease_64_at_once_ms.cold)} |`,
    `| the same, the very first leases of a daemon | the same | ${ms(result.lease_64_at_once_ms.very_first)} |`,
    `| the same, while the API answers four clients without a pause | the same | ${ms(result.lease_64_at_once_ms.api_busy)} |`,
    `| the same, while 1,000 readers want the events of the page | the same | ${ms(result.lease_64_at_once_ms.page_read)} |`,
    `| the same, while another VF is sick, and looked at and mended in vain without a pause | the same | ${ms(result.lease_64_at_once_ms.vf_sick)} |`,
    `| CPU of the daemon for a lease, among ${VFS} at once | – | ${ms(result.daemon_cpu_ms_per_lease)} |`,
    `| after ${flat.at(-1)?.['cycle']} lease cycles | flat | descriptors ${ends('descriptors')}; resident ${ends('rss_mib')} MiB; ledger ${ends('ledger_kib')} KiB |`,
    '',
  ].join('\n');
}

try {
  await main();
} finally {
  running?.kill('SIGKILL');
  await sleep(200);
  rmSync(dir, { recursive: true, force: true });
  rmSync(soft, { recursive: true, force: true });
}
