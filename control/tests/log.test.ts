// SPDX-License-Identifier: BSD-3-Clause
import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { createLog, isJournal } from '../src/log.js';

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

test('standard error is the journal where the service manager says so of this very file', () => {
  const fd = openSync('/dev/null', 'w');
  onTestFinished(() => closeSync(fd));
  const { dev, ino } = fstatSync(fd);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, fd)).toBe(true);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, fd)).toBe(false);
  expect(isJournal({}, fd)).toBe(false);
});
