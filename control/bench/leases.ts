// SPDX-License-Identifier: BSD-3-Clause
/**
 * What leasing costs, on soft VFs: `node --import tsx control/bench/leases.ts [--cycles N] [--idle SECONDS]`.
 *
 * Starts the installed vfringd (build/prefix) in a folder of its own, asks for
 * 64 VFs at once again and again, runs lease cycles one after the other, and
 * looks at memory, descriptors and ledger before and after. One JSON object.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '10000' }, idle: { type: 'string', default: '20' }, rounds: { type: 'string', default: '40' } },
});
const VFS = 64;
const prefix = join(import.meta.dirname, '../../build/prefix');
let running: ChildProcess | undefined;
const dir = mkdtempSync(join(tmpdir(), 'vfrb-'));
const lease = join(dir, 'run', 'lease.sock');

function ask(request: object): Promise<{ ok: boolean; lease: string; message?: string }> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(lease, () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('error', reject);
    socket.on('close', () => resolve(JSON.parse(text) as { ok: boolean; lease: string }));
  });
}

async function timed(rank: number): Promise<{ ms: number; lease: string }> {
  const start = process.hrtime.bigint();
  const reply = await ask({ v: 1, op: 'lease', count: 1, job: 'bench', rank, ranks: VFS });
  if (!reply.ok) {
    throw new Error(reply.message);
  }
  return { ms: Number(process.hrtime.bigint() - start) / 1e6, lease: reply.lease };
}

const release = (id: string): Promise<unknown> => ask({ v: 1, op: 'release', lease: id });

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

function look(pid: number): Record<string, number> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kb = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const size = (name: string): number => statSync(join(dir, 'run', name), { throwIfNoEntry: false })?.size ?? 0;
  return {
    rss_mib: Number((kb('VmRSS') / 1024).toFixed(1)),
    private_mib: Number((kb('RssAnon') / 1024).toFixed(1)),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    ledger_kib: Math.round((size('ledger.db') + size('ledger.db-wal')) / 1024),
    cpu_ticks: Number(stat[11]) + Number(stat[12]),
  };
}

async function main(): Promise<void> {
  writeFileSync(join(dir, 'c.yaml'), `version: 1\nprovider: {soft: {dir: ${dir}/soft, vfs: ${VFS}, mtu: 9000}}\n`);
  await stop((await start()).daemon); // makes the VFs
  const starts: number[] = [];
  for (let i = 0; i < 5; i++) {
    const { daemon, ms } = await start();
    starts.push(ms);
    await stop(daemon);
  }
  const { daemon } = await start();
  const pid = daemon.pid ?? 0;
  await sleep(3000);
  const before = look(pid);
  await sleep(Number(values.idle) * 1000);
  const idle = look(pid);

  const alone: number[] = [];
  for (let i = 0; i < 200; i++) {
    const got = await timed(0);
    alone.push(got.ms);
    await release(got.lease);
  }
  const together: number[] = [];
  let ticks = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const from = look(pid)['cpu_ticks'] ?? 0;
    const got = await Promise.all(Array.from({ length: VFS }, (_unused, rank) => timed(rank)));
    ticks += (look(pid)['cpu_ticks'] ?? 0) - from;
    together.push(...got.map(({ ms }) => ms));
    await Promise.all(got.map((one) => release(one.lease)));
  }
  const cycles = Number(values.cycles);
  const flat: Record<string, number>[] = [];
  for (let i = 0; i <= cycles; i++) {
    if (i % Math.max(1, Math.floor(cycles / 4)) === 0) {
      flat.push({ cycle: i, ...look(pid) });
    }
    await release((await timed(i % 4)).lease);
  }
  await stop(daemon);
  process.stdout.write(`${JSON.stringify({
    machine: `${cpus()[0]?.model ?? ''}, ${cpus().length} CPUs, node ${process.version}`,
    load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' '),
    start_to_ready_ms: quantiles(starts),
    idle: { ...idle, cpu_percent: Number((((idle['cpu_ticks'] ?? 0) - (before['cpu_ticks'] ?? 0)) / Number(values.idle)).toFixed(2)) },
    lease_alone_ms: quantiles(alone),
    lease_64_at_once_ms: quantiles(together),
    // A tick is 10 ms; what other programs do to the machine is not in it.
    daemon_cpu_ms_per_lease: Number(((ticks * 10) / together.length).toFixed(2)),
    over_cycles: flat,
  }, null, 2)}\n`);
}

try {
  await main();
} finally {
  running?.kill('SIGKILL');
  await sleep(200);
  rmSync(dir, { recursive: true, force: true });
}
