// SPDX-License-Identifier: BSD-3-Clause
/** Streams, the last hour and what happened lately, each bounded; groups by name. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { Exec } from '../../src/exec.js';
import { silentLog } from '../../src/log.js';
import { groupId } from '../../src/web/group-id.js';
import { History, MOST_SAMPLES, type Seen } from '../../src/web/history.js';
import { MOST_EVENTS, RecentEvents } from '../../src/web/recent.js';
import { EventStreams } from '../../src/web/streams.js';

/** A reader whose buffer is full after one event until it is told that it was read. */
class Reader extends EventEmitter {
  written: string[] = [];
  fits = true;
  write(event: Buffer): boolean {
    this.written.push(event.toString());
    return this.fits;
  }
  destroy(): void {
    this.emit('close');
  }
}

test('a reader has one unread event at most, misses what comes meanwhile, and is cut off at last', () => {
  let now = 0;
  const streams = new EventStreams({ streams: 2, unreadMs: 100 }, () => now);
  const [quick, slow] = [new Reader(), new Reader()];
  slow.fits = false;
  [quick, slow].forEach((reader) => streams.add(reader as unknown as ServerResponse));
  expect(streams.full).toBe(true);
  const send = (text: string): void => streams.send(Buffer.from(text));
  send('a');
  send('b');
  expect([quick.written, slow.written]).toEqual([['a', 'b'], ['a']]);
  slow.emit('drain');
  send('c');
  expect(slow.written).toEqual(['a', 'c']);
  now = 99;
  send('d');
  expect([streams.size, streams.slow]).toEqual([2, 0]);
  now = 100;
  send('e');
  expect([streams.size, streams.slow, streams.full]).toEqual([1, 1, false]);
  expect(quick.written).toEqual(['a', 'b', 'c', 'd', 'e']);
});

describe('the last hour', () => {
  const seen = (steadyMs: number, tx: number, more: Partial<Seen> = {}): Seen => ({
    wallMs: steadyMs + 1e12, steadyMs, jobs: [],
    entries: [{ vf: { name: 'v', pf: 'p' }, state: 'leased', leased: { liveBytes: 7 } }] as unknown as Seen['entries'],
    totals: new Map([['v', { txBytes: tx, rxBytes: 2 * tx, txFrames: 0, rxFrames: 0 }]]), ...more,
  });

  test('has rates over the time between two samples, whatever the clock that people read does', () => {
    const history = new History();
    history.add(seen(0, 1000));
    history.add(seen(10_000, 21_000, { wallMs: 5 }));
    expect(history.last).toEqual({ at: 5, leased: 1, sick: 0, free: 0, queued: 0, registered_bytes: 7, pfs: { p: { tx: 2000, rx: 4000 } } });
    // VFs that are gone take their bytes with them: nothing was received backwards.
    history.add(seen(20_000, 0));
    expect(history.last?.pfs['p']).toEqual({ tx: 0, rx: 0 });
  });

  test('is an hour and no more', () => {
    const history = new History();
    for (let i = 0; i < MOST_SAMPLES + 10; i++) {
      history.add(seen(i * 10_000, i));
    }
    expect(history.view.samples).toHaveLength(MOST_SAMPLES);
    expect(history.view.samples[0]?.at).toBe(1e12 + 100_000);
  });
});

describe('what happened lately', () => {
  test('ranks of one job are one event, and the log has them all', () => {
    const lines: string[] = [];
    const recent = new RecentEvents({ ...silentLog, info: (text) => lines.push(text) }, () => 5);
    for (let rank = 0; rank < 64; rank++) {
      recent.log.info('lease granted', { lease: `l-${rank}`, uid: 7, job: 'j', rank });
    }
    recent.log.error('VF is unhealthy', { vf: 'v', cause: 'gone' });
    expect(recent.events).toEqual([
      { at: 5, level: 'error', text: 'VF is unhealthy', details: 'vf v, cause gone', count: 1 },
      { at: 5, level: 'info', text: 'lease granted', details: 'uid 7, job j', count: 64 },
    ]);
    expect(lines).toHaveLength(64);
  });

  test('is bounded, in number and in length', () => {
    const recent = new RecentEvents(silentLog);
    for (let i = 0; i < 5 * MOST_EVENTS; i++) {
      recent.log.warn(`event ${i}`, { text: 'x'.repeat(100_000) });
    }
    expect(recent.events).toHaveLength(MOST_EVENTS);
    expect(recent.events[0]?.text).toBe(`event ${5 * MOST_EVENTS - 1}`);
    expect(JSON.stringify(recent.events).length).toBeLessThan(MOST_EVENTS * 500);
  });
});

describe('a group by its name', () => {
  const getent = (status: number | null, stdout = '', stderr = '') => async () => ({ status, stdout, stderr });

  test('is what getent says, or there is none', async () => {
    expect(await groupId('adm', getent(0, 'adm:x:4:syslog\n'))).toBe(4);
    expect(await groupId('1234', getent(2))).toBe(1234);
    expect(await groupId('none', getent(2))).toBeUndefined();
  });

  test.each<[string, Exec, string]>([
    ['was ended', getent(null, '', 'ended by SIGKILL'), 'ended by SIGKILL'],
    ['failed', getent(1, '', 'Unknown database: group'), 'Unknown database'],
    ['says something else', getent(0, 'what?\n'), 'what?'],
    ['is not there', () => Promise.reject(new Error('spawn getent ENOENT')), 'ENOENT'],
  ])('is not one that there is not, where getent %s', async (_what, exec, cause) => {
    await expect(groupId('adm', exec)).rejects.toThrow(cause);
  });
});
