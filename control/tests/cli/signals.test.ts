// SPDX-License-Identifier: BSD-3-Clause
/** Signals, full disks and terminals that close: both programs as users start them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startNode } from '../helpers/fake-node.js';
import { fakeOpenMpi } from '../helpers/fake-mpi.js';
import { ask, ended, leaseRequest } from '../helpers/lease-client.js';
import { eventually } from '../helpers/eventually.js';
import { tempDir } from '../helpers/temp-dir.js';

const root = join(import.meta.dirname, '../../..');
const CLI = join(root, 'control/src/cli/main.ts');
const DAEMON = join(root, 'control/src/vfringd/main.ts');

/** A program of ours; `err` grows by what it says, unless its standard error is elsewhere. */
function start(main: string, args: readonly string[], { env = {}, stdout = 'pipe' as 'pipe' | number, stderr = 'pipe' as 'pipe' | number } = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', stdout, stderr] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout?.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (said.err += data.toString()));
  return { child, said };
}

/** What a wait for a signal to arrive would wait in vain after. */
const gone = (child: ChildProcess, err: string): boolean => /Debugger listening/.test(err) || child.signalCode !== null;

const SIGNALS = ['SIGUSR1', 'SIGUSR2', 'SIGQUIT', 'SIGHUP', 'SIGALRM', 'SIGCONT', 'SIGTERM'] as const;

/** An mpirun that notes every signal, and ends with status 7 at SIGTERM. */
const NOTING = (dir: string): string => `
for s in USR1 USR2 QUIT HUP ALRM CONT; do trap "echo SIG$s >> ${dir}/signals" $s; done
trap 'echo SIGTERM >> ${dir}/signals; exit 7' TERM
echo ready >> ${dir}/signals
while :; do sleep 0.05; done`;

async function noting(options: { stderr?: number } = {}) {
  const node = await startNode();
  const dir = tempDir();
  const mpi = fakeOpenMpi(dir, NOTING(dir));
  const { child, said } = start(CLI, ['run', '--mpirun', mpi.mpirun, '-n', '1', '--', 'p'], { env: { VFRING_RUN_DIR: node.runDir }, ...options });
  const noted = (): string => (existsSync(join(dir, 'signals')) ? readFileSync(join(dir, 'signals'), 'utf8') : '');
  await eventually(() => noted().includes('ready') || child.exitCode !== null);
  return { node, child, said, noted };
}

describe('vfring run', () => {
  test('hands every signal on to mpirun, opens no debugger, and has its status', async () => {
    const { child, said, noted } = await noting();
    for (const signal of SIGNALS) {
      child.kill(signal);
      await eventually(() => noted().includes(signal) || gone(child, said.err));
    }
    await ended(child);
    expect(noted().trim().split('\n')).toEqual(['ready', ...SIGNALS]);
    expect(said.err).not.toContain('Debugger');
    expect(child.exitCode).toBe(7);
  });

  test('stops and goes on as a shell tells it to', async () => {
    const { child, noted } = await noting();
    const state = (): string => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1] ?? '';
    child.kill('SIGTSTP');
    await eventually(() => state() === 'T');
    child.kill('SIGCONT');
    await eventually(() => state() !== 'T' && noted().includes('SIGCONT'));
    child.kill('SIGTERM');
    await ended(child);
    expect(child.exitCode).toBe(7);
  });

  test('ends with mpirun\'s status when vfringd has stopped meanwhile', async () => {
    const { node, child, said } = await noting();
    await node.daemon.stop('keep');
    child.kill('SIGTERM');
    await ended(child);
    expect(child.exitCode).toBe(7);
    expect(said.err).toMatch(/carried is not known: vfringd cannot be reached/);
  });

  test('goes on to mpirun\'s end when its standard error is on a full disk', async () => {
    const full = openSync('/dev/full', 'w');
    const { child, noted } = await noting({ stderr: full });
    closeSync(full);
    expect(noted()).toContain('ready');
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    await ended(child);
    expect(child.exitCode).toBe(7);
  });

  test('that is told to end before mpirun runs does not start it, and leaves no job open', async () => {
    const node = await startNode();
    const dir = tempDir();
    const mpi = fakeOpenMpi(dir, 'exit 0');
    // ompi_info is asked before the job is made: there the signal finds vfring.
    writeFileSync(join(dir, 'bin', 'ompi_info'), `#!/bin/sh\necho asked > ${dir}/asked\nwhile [ ! -e ${dir}/go ]; do sleep 0.02; done\necho path:pkglibdir:${mpi.components}\n`);
    const { child } = start(CLI, ['run', '--mpirun', mpi.mpirun, '-n', '1', '--', 'p'], { env: { VFRING_RUN_DIR: node.runDir } });
    await eventually(() => existsSync(join(dir, 'asked')));
    child.kill('SIGTERM');
    appendFileSync(join(dir, 'go'), '');
    await ended(child);
    expect(child.exitCode).toBe(143);
    expect(existsSync(join(dir, 'arguments'))).toBe(false);
    expect(node.daemon.ledger.jobs(9).map(({ state }) => state)).not.toContain('open');
  });
});

describe('a command', () => {
  test.each([['--help'], ['job', 'end', '--help'], ['status'], ['top'], ['completion', 'bash']])(
    '%s into a full disk ends with a line that says so, and status 74', async (...args) => {
      const node = await startNode();
      const full = openSync('/dev/full', 'w');
      const { child, said } = start(CLI, args, { env: { VFRING_RUN_DIR: node.runDir }, stdout: full });
      closeSync(full);
      await ended(child);
      expect(said.err).toMatch(/^vfring: VFRING_ERR_OUTPUT: standard output cannot be written: ENOSPC.*\nvfring: remedy: .*\n$/);
      expect(child.exitCode).toBe(74);
    });

  test('ends quietly when its reader has gone, one that goes on and on too', async () => {
    const node = await startNode();
    const { child, said } = start(CLI, ['top', '--interval', '0.1', '--times', '1000000'], { env: { VFRING_RUN_DIR: node.runDir } });
    child.stdout?.once('data', () => child.stdout?.destroy());
    await ended(child);
    expect({ status: child.exitCode, err: said.err }).toEqual({ status: 0, err: '' });
  });

  test('whose standard error cannot be written has its status all the same', async () => {
    const full = openSync('/dev/full', 'w');
    const { child } = start(CLI, ['status'], { env: { VFRING_RUN_DIR: tempDir() }, stderr: full });
    closeSync(full);
    await ended(child);
    expect(child.exitCode).toBe(69);
  });
});

describe('vfringd', () => {
  async function serve(stdio: { stdout?: number; stderr?: number } = {}) {
    const dir = tempDir();
    writeFileSync(join(dir, 'c.yaml'), `version: 1\nprovider:\n  soft: {dir: ${dir}/soft, vfs: 1}\n`);
    const { child, said } = start(DAEMON, ['--foreground', '--config', join(dir, 'c.yaml'), '--run-dir', join(dir, 'run')], stdio);
    const lease = join(dir, 'run', 'lease.sock');
    // The socket is there before it is listened at.
    await eventually(async () => child.exitCode !== null || (await ask(lease, { v: 1, op: 'nonsense' }).then(() => true, () => false)));
    return { child, said, lease };
  }

  test('opens no debugger, and is not ended, by signals that mean nothing to it', async () => {
    const { child, said, lease } = await serve();
    await eventually(() => said.out.includes('ready'));
    child.kill('SIGUSR1');
    child.kill('SIGUSR2');
    expect((await ask(lease, leaseRequest())).ok).toBe(true);
    // A debugger's thread would have said so before this signal's listener runs.
    child.kill('SIGTERM');
    await ended(child);
    expect(said.err).not.toContain('Debugger');
    expect(child.exitCode).toBe(0);
  });

  test('serves on when its log is on a full disk', async () => {
    const full = openSync('/dev/full', 'w');
    const { child, lease } = await serve({ stdout: full, stderr: full });
    closeSync(full);
    expect((await ask(lease, leaseRequest())).ok).toBe(true);
    expect(await ask(lease, { v: 1, op: 'nonsense' })).toMatchObject({ ok: false });
    child.kill('SIGTERM');
    await ended(child);
    expect(child.exitCode).toBe(0);
  });

  test('serves on when whoever read its log has gone', async () => {
    const { child, lease } = await serve();
    child.stdout?.destroy();
    child.stderr?.destroy();
    expect((await ask(lease, leaseRequest())).ok).toBe(true);
    expect(await ask(lease, { v: 1, op: 'nonsense' })).toMatchObject({ ok: false });
    child.kill('SIGTERM');
    await ended(child);
    expect(child.exitCode).toBe(0);
  });
});
