// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { RefusalLog } from '../../src/sockets/refusal-log.js';
import { createLog } from '../../src/log.js';

test('a user that is refused again and again fills no log, and takes no line from others', () => {
  const lines: string[] = [];
  let now = 0;
  const log = new RefusalLog(createLog('text', (line) => lines.push(line)), () => now);
  for (let i = 0; i < 1000; i++) {
    log.note(1, { uid: 1 });
  }
  expect(lines).toHaveLength(20);
  log.note(2, { uid: 2 });
  expect(lines).toHaveLength(21);
  now = 60_000;
  log.note(1, { uid: 1 });
  expect(lines.slice(21)).toEqual(['vfringd: warn: more requests were refused uid=1 count=980 seconds=60', 'vfringd: warn: request refused uid=1']);
});
