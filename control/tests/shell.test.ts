// SPDX-License-Identifier: BSD-3-Clause
/** What comes from outside is a word in a command that people type, and no more. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { VfringError } from '../src/errors.js';
import { ipLink } from '../src/providers/sriov/ip-link.js';
import { describe as describeStep } from '../src/providers/sriov/plan.js';
import { printable, shellWord } from '../src/shell.js';

const NASTY = ['p$(id)', '`id`', "it's", 'a b', 'x;reboot', '*', '-h', '~', '!!', 'a\\b', 'a"b', '#x', 'a\tb', "\x1b[2J'\\1", 'ä', ''];

test.each(NASTY)('%j is one word, itself', (text) => {
  const { stdout, status } = spawnSync('bash', ['-c', `printf '%s' ${shellWord(text)}`], { encoding: 'utf8' });
  expect({ stdout, status }).toEqual({ stdout: text, status: 0 });
  expect(shellWord(text)).toMatch(/^[^\x00-\x1f\x7f]+$/);
});

test('plain words stay as they are', () => {
  for (const word of ['ens1f0np0', '0000:01:10.0', '/dev/uiovf0', '--mtu=9000']) {
    expect(shellWord(word)).toBe(word);
  }
});

test('a remedy has it quoted, a message as it is', () => {
  const { message, remedy } = new VfringError('VFRING_ERR_CONFIG', { problems: 'x$y', file: 'c$(id).yaml' });
  expect(message).toBe('x$y');
  expect(remedy).toContain("vfring config check 'c$(id).yaml'");
});

test('steps of a plan, and commands that failed, can be typed as they stand', async () => {
  expect(describeStep({ do: 'ip', pf: 'p$(id)', args: ['up'], why: '' })).toBe("ip link set dev 'p$(id)' up");
  await expect(ipLink(async () => ({ status: 1, stdout: '', stderr: 'no' })).set('p$(id)', ['up'])).rejects.toThrow("ip link set dev 'p$(id)' up failed: no");
});

test('nothing of it moves the cursor of a terminal', () => expect(printable('a\x1b[2J\nb')).toBe('a\\x1b[2J\\x0ab'));
