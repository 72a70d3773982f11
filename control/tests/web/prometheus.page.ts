// SPDX-License-Identifier: BSD-3-Clause
/** Debian's Prometheus scrapes the listener; rules, dashboard and metrics speak of the same names. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask, leaseRequest } from '../helpers/lease-client.js';
import { eventually } from '../helpers/eventually.js';
import { freePort, startPage } from '../helpers/page.js';
import { tempDir } from '../helpers/temp-dir.js';

const contrib = join(import.meta.dirname, '../../../contrib');
const SECRET = 'a-secret-of-some-length';
const DASHBOARD = JSON.parse(readFileSync(join(contrib, 'grafana/vfring.json'), 'utf8')) as { panels: { title: string; targets: { expr: string; legendFormat: string }[] }[] };
/** Soft VFs pin nothing, and so have no such rows. */
const NOT_HERE = new Set(['Registered memory by job', 'Nearest to their limit of registered memory']);

interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

test('metrics, rules and their tests are as promtool wants them', async () => {
  const node = await startPage();
  await ask(node.lease, leaseRequest({ job: 'a:b' }));
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  expect([status, stdout, stderr]).toEqual([0, '', '']);
  for (const args of [['check', 'rules', 'vfring.rules.yml'], ['test', 'rules', 'vfring.rules.test.yml'], ['check', 'config', 'prometheus.yml']]) {
    execFileSync('promtool', args, { cwd: join(contrib, 'prometheus'), encoding: 'utf8' });
  }
});

test('each alert has a test', () => {
  const rules = [...readFileSync(join(contrib, 'prometheus/vfring.rules.yml'), 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const text = readFileSync(join(contrib, 'prometheus/vfring.rules.test.yml'), 'utf8');
  expect(rules.length).toBeGreaterThan(5);
  expect(rules.filter((name) => !text.includes(`alertname: ${name}\n        exp_alerts:`))).toEqual([]);
});

test('rules and dashboard ask for what there is', async () => {
  const node = await startPage();
  const there = new Set([...(await (await fetch(`${node.url}/metrics`)).text()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
  for (const file of ['prometheus/vfring.rules.yml', 'grafana/vfring.json']) {
    const names = new Set(readFileSync(join(contrib, file), 'utf8').match(/\bvfring_\w+/g));
    expect(names.size).toBeGreaterThan(5);
    expect([...names].filter((name) => !there.has(name))).toEqual([]);
  }
});

test('Prometheus scrapes it, with a token', async () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'token'), `${SECRET}\n`, { mode: 0o600 });
  const node = await startPage(`, token_file: ${join(dir, 'token')}`);
  await ask(node.lease, leaseRequest({ job: 'scraped' }));
  copyFileSync(join(contrib, 'prometheus/vfring.rules.yml'), join(dir, 'vfring.rules.yml'));
  writeFileSync(join(dir, 'prometheus.yml'), readFileSync(join(contrib, 'prometheus/prometheus.yml'), 'utf8')
    .replace('127.0.0.1:9155', `127.0.0.1:${node.port}`).replace(/# authorization: .*/, `authorization: {credentials_file: ${join(dir, 'token')}}\n    scrape_interval: 1s`));
  const port = await freePort();
  const child = spawn('prometheus', [`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'], { stdio: 'ignore' });
  onTestFinished(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  });
  const results = async (text: string): Promise<Result[]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(text)}`).catch(() => undefined);
    // It says that it is not ready in words, and that it does not understand by another status.
    expect(answer?.status).not.toBe(400);
    const { data } = (answer?.ok ? await answer.json() : { data: { result: [] } }) as { data: { result: Result[] } };
    return data.result;
  };
  const query = async (text: string): Promise<string[]> => (await results(text)).map(({ metric, value }) => `${metric['job'] ?? ''} ${value[1]}`);
  await eventually(async () => (await query('up')).includes('vfring 1'));
  await eventually(async () => (await query('sum by (job) (vfring_vfs{state="leased"})')).includes('vfring 1'));
  expect(await query('vfring_lease_info')).toEqual(['scraped 1']);
  expect(await query('count by (job) (ALERTS)')).toEqual([]);
  // What the dashboard asks for, as Grafana puts its variables in; of the labels that a legend names there is each.
  for (const { title, targets } of DASHBOARD.panels) {
    for (const { expr, legendFormat } of targets) {
      const labels = [...legendFormat.matchAll(/{{(\w+)}}/g)].map(([, label]) => label as string);
      let found: Result[] = [];
      // Rates come with the second scrape.
      await eventually(async () => (found = await results(expr.replaceAll('$node', '.*').replaceAll('$__rate_interval', '1m'))).length > 0 || NOT_HERE.has(title));
      expect([title, found.flatMap(({ metric }) => labels.filter((label) => metric[label] === undefined))]).toEqual([title, []]);
    }
  }
});
