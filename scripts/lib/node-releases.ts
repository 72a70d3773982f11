// SPDX-License-Identifier: BSD-3-Clause
/** The daemon's suites, and one lease from an installed daemon, under each release of node that vfring supports. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { NODE_RELEASES, envOf, lineOf, nodeTree, type NodeTree } from '../../tools/node-release.js';
import { logged, step } from '../../tools/steps.js';
import { judged, type Tally } from './tally.js';

/** What depends on the release: compiled code, sockets, descriptors, processes, threads, timers, the database. */
const SUITES = ['sockets', 'ledger', 'leases/leases', 'leases/together', 'jobs', 'api', 'web', 'node', 'native', 'cli/commands'].map((name) => `control/tests/${name}`);

async function suites(tree: NodeTree): Promise<Tally> {
  const report = join(tree.dir, 'vitest.json');
  const vitest = join(tree.dir, 'node_modules', 'vitest', 'vitest.mjs');
  const result = await execa('node', [vitest, 'run', ...SUITES, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], {
    cwd: tree.dir, env: envOf(tree), reject: false, stdio: ['ignore', 'inherit', 'inherit'],
  });
  const counts = JSON.parse(readFileSync(report, 'utf8')) as { numPassedTests: number; numFailedTests: number };
  return judged({ passed: counts.numPassedTests, failed: counts.numFailedTests }, result.exitCode === 0);
}

/** Installs both programs as users have them, starts vfringd, and takes a lease. */
async function oneLease(tree: NodeTree): Promise<Tally> {
  const env = envOf(tree);
  const prefix = join(tree.dir, 'prefix');
  await logged(`install-${tree.version}`, 'node', ['--import', 'tsx', join(tree.dir, 'control/install/install.ts'), '--prefix', prefix], { cwd: tree.dir, env });
  const dir = mkdtempSync(join(tmpdir(), 'vfrn-'));
  writeFileSync(join(dir, 'c.yaml'), `version: 1\nprovider: {soft: {dir: ${dir}/soft, vfs: 1, mtu: 1500}}\n`);
  const daemon = spawn(join(prefix, 'sbin/vfringd'), ['--config', join(dir, 'c.yaml'), '--run-dir', join(dir, 'run')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let ready = false;
    for await (const line of createInterface(daemon.stdout)) {
      ready = line.startsWith('vfringd ready');
      break;
    }
    const reply = ready ? await ask(join(dir, 'run/lease.sock')) : 'vfringd is not ready';
    const ok = reply.includes('"ok":true');
    process.stdout.write(`${ok ? 'ok' : `not ok: ${reply}`} - a lease of vfringd under node ${tree.version}\n`);
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  } finally {
    const ended = daemon.exitCode === null && daemon.signalCode === null ? once(daemon, 'exit') : undefined;
    daemon.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
}

async function ask(path: string): Promise<string> {
  const socket = connect(path);
  socket.write(`${JSON.stringify({ v: 1, op: 'lease', count: 1, job: 'node', rank: 0, ranks: 1 })}\n`);
  let reply = '';
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    reply += chunk;
  }
  return reply;
}

export async function nodeReleases(versions: readonly string[] = NODE_RELEASES): Promise<Tally> {
  const total: Tally = { passed: 0, failed: 0 };
  // Side by side: each compiles one large file.
  for (const tree of await Promise.all(versions.map(nodeTree))) {
    // Under the release that this runs under vitest's own part has them.
    const known = lineOf(tree.version) === lineOf(process.versions.node);
    for (const work of known ? [oneLease] : [suites, oneLease]) {
      const { passed, failed } = await step(`node ${tree.version}`, () => work(tree));
      total.passed += passed;
      total.failed += failed;
    }
  }
  return total;
}
