// SPDX-License-Identifier: BSD-3-Clause
/**
 * Several hosts as a person has them: `npm run lab -- --hosts N` in one terminal, `npm run lab:wire` in another, Ctrl-C, the shell.
 * npm test -- lab-hosts-command
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, test } from 'node:test';
import { buildDir, root } from '../../tools/steps.js';
import { Running, eventually, run, type RunResult } from '../run.js';
import { mpirunOn, programs } from './hosts-helpers.js';

/** Four of them beside each other need no more. */
const small = ['--memory', '2048'];
const npm = (script: string, args: readonly string[]): string[] => ['npm', 'run', '-s', script, '--', ...args];
/** Time limits are against hanging only: the first run builds what has changed. */
const LIMIT_S = 1200;
const running: Running[] = [];
function lab(...args: string[]): Running {
  const one = new Running(npm('lab', args), { cwd: root, timeoutS: LIMIT_S });
  one.done.catch(() => undefined);
  running.push(one);
  return one;
}
const order = async (...args: string[]): Promise<RunResult> => await run(npm('lab:wire', args), { cwd: root });
const ring = (...hosts: string[]): string => mpirunOn({ hosts: hosts.join(), ranks: hosts.length }, `${programs}/ring`, '--quick').join(' ');

const labDir = `${buildDir}/lab`;
/** Of labs that run, or ran and left something. */
const folders = (): string[] => readdirSync(labDir).filter((name) => name.startsWith('wires-'));
const before = new Set(folders());
const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};
const processesOf = (folder: string): string[] =>
  readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map((pid) => commandLine(pid)).filter((line) => line.includes(folder));

/** No folder, no emulator, no wires of a lab that has ended. */
async function nothingLeft(of: readonly string[]): Promise<void> {
  await eventually('neither processes nor folders are left', () => of.every((folder) => processesOf(folder).length === 0) && folders().every((name) => before.has(name)));
}

describe('npm run lab -- --hosts N', () => {
  let seen: string[] = [];
  const theirs = (): string[] => (seen = folders().filter((name) => !before.has(name)));
  afterEach(async () => {
    // What a test that failed has left to run.
    for (const one of running.splice(0)) {
      one.killGroup('SIGTERM');
      await one.done.catch(() => undefined);
    }
    await nothingLeft(seen);
  });

  test('three hosts run commands side by side, while another terminal changes the wires', async () => {
    const wait = (state: number): string => `until [ "$(cat /sys/class/net/eth0/carrier)" = ${state} ]; do sleep 0.2; done; echo carrier ${state}`;
    const here = lab('--hosts', '3', ...small, '--pfs', '2', '--vfs', '1', '--user', 'mpi', '--', 'sh', '-c', `${wait(0)}; ${wait(1)}; ${ring('host1', 'host2', 'host3')}`,
      '--on', 'host3', '--', 'hostname', '--on', 'host2', '--', 'sh', '-c', 'echo oh >&2; exit 3');
    await here.until('the others have run', () => /^host3: host3$/m.test(here.stdout) && /^host2: oh$/m.test(here.stderr), LIMIT_S);
    theirs();
    const counters = await order('counters');
    assert.equal(counters.status, 0, counters.stderr);
    assert.match(counters.stdout, /^host3\.pf1 rx +\d+/m);
    const nowhere = await order('--host', 'host9', 'cut');
    assert.equal(nowhere.status, 64);
    assert.match(nowhere.stderr, /no host host9; hosts are host1, host2, host3/);
    assert.equal((await order('--host', 'host1', 'carrier', 'down')).status, 0);
    await here.until('host1 sees it', () => /^host1: carrier 0$/m.test(here.stdout));
    assert.equal((await order('set', 'loss=1%,delay=1ms')).status, 0);
    assert.equal((await order('carrier', 'up')).status, 0);
    assert.equal((await order('--host', 'host2', 'cut')).status, 0);
    assert.equal((await order('heal')).status, 0);
    const { status, stdout, stderr } = await here.done;
    assert.equal(status, 3, stdout + stderr);
    assert.match(stdout, /^host1: ring: ok, 3 ranks/m);
    const late = await order('heal');
    assert.equal(late.status, 64);
    assert.match(late.stderr, /no lab with hosts runs here/);
  });

  test('four hosts', async () => {
    const { status, stdout, stderr } = await lab('--hosts', '4', ...small, '--pfs', '1', '--vfs', '1', '--user', 'mpi', '--', ...ring('host1', 'host2', 'host3', 'host4').split(' ')).done;
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^ring: ok, 4 ranks/m);
  });

  test('Ctrl-C while commands run ends all of it', async () => {
    const here = lab('--hosts', '2', ...small, '--pfs', '1', '--', 'sh', '-c', 'echo here; sleep 1000', '--on', 'host2', '--', 'sh', '-c', 'echo there; sleep 1000');
    await here.until('both are at work', () => /^host1: here$/m.test(here.stdout) && /^host2: there$/m.test(here.stdout), LIMIT_S);
    assert.equal(theirs().length, 1);
    here.killGroup('SIGINT'); // the terminal sends it to all in the foreground
    const { status, stderr } = await here.done;
    assert.notEqual(status, 0);
    assert.match(stderr, /the lab was stopped/);
  });

  test('a shell on host1 reaches the others, and its exit status is that of the lab', async () => {
    const terminal = spawn('script', ['-qefc', npm('lab', ['--hosts', '2', ...small, '--pfs', '1', '--shell', '--on', 'host2', '--', 'hostname']).join(' '), '/dev/null'], { cwd: root });
    let screen = '';
    terminal.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    terminal.stderr.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    const done = new Promise<number | null>((resolve) => terminal.once('close', resolve));
    await eventually('the command of host2 has run, and the shell asks', () => /^host2\r?$/m.test(screen) && /host1.*[#$] *$/.test(screen), LIMIT_S);
    theirs();
    terminal.stdin.write('echo $(hostname) reaches $(ssh host2 hostname)\n');
    await eventually('the shell has answered', () => screen.includes('host1 reaches host2'));
    terminal.stdin.write('exit 5\n');
    assert.equal(await done, 5, screen);
  });
});
