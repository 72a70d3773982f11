// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLog, isJournal } from '../src/log.js';
import { tempDir } from './helpers/temp-dir.js';

test('a line for the journal says how bad it is, so that journalctl -p err finds it', () => {
  const lines: string[] = [];
  const log = createLog('json', (line) => lines.push(line), true);
  log.info('a');
  log.warn('b');
  log.error('c');
  expect(lines.map((line) => line.slice(0, 4))).toEqual(['<6>{', '<4>{', '<3>{']);
  createLog('text', (line) => lines.push(line)).error('d');
  expect(lines[3]).toBe('vfringd: error: d');
});

test('text for people has no value where there is none, and none that looks like a line of its own', () => {
  const lines: string[] = [];
  createLog('text', (line) => lines.push(line)).info('job made', { job: 'a b', vfs: undefined, host: null, cause: 'x\nvfringd: y' });
  expect(lines).toEqual(['vfringd: job made job="a b" host=null cause="x\\nvfringd: y"']);
});

test('so does a start that fails', () => {
  const dir = tempDir();
  const err = openSync(join(dir, 'err'), 'w');
  const { dev, ino } = fstatSync(err);
  const main = join(import.meta.dirname, '../src/vfringd/main.ts');
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', main, '--config', join(dir, 'none')], { stdio: ['ignore', 'ignore', err], env: { ...process.env, JOURNAL_STREAM: `${dev}:${ino}` } });
  closeSync(err);
  expect(status).toBe(78);
  const lines = readFileSync(join(dir, 'err'), 'utf8').trimEnd().split('\n').filter((line) => line.includes('vfringd: '));
  expect(lines.map((line) => line.slice(0, 12))).toEqual(['<3>vfringd: ', '<3>vfringd: ']);
});

test('standard error is the journal where the service manager says so of this very file', () => {
  const fd = openSync('/dev/null', 'w');
  onTestFinished(() => closeSync(fd));
  const { dev, ino } = fstatSync(fd);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, fd)).toBe(true);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, fd)).toBe(false);
  expect(isJournal({}, fd)).toBe(false);
});
