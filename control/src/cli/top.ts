// SPDX-License-Identifier: BSD-3-Clause
/** vfring top: the VFs and what they carry, again and again. */
import type { StatusView, VfView } from '../api/views.js';
import { formatSize } from '../config/units.js';
import { writeOut } from '../stdio.js';
import type { ApiClient } from '../api/client.js';
import { table } from './output.js';

const CLEAR = '\x1b[H\x1b[2J';
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

export interface Look {
  /** In ms, by a clock that nobody sets. */
  readonly at: number;
  readonly status: StatusView;
}

/** One picture. Rates are what came since the look before; unknown at the first. */
export function topText(now: Look, before: Look | undefined, rows: number): string {
  const { status } = now;
  const count = (state: string): number => status.vfs.filter((vf) => vf.state === state).length;
  const head =
    `vfringd ${status.pid} (${status.provider})  ${status.vfs.length} VFs: ${count('free')} free, ${count('leased')} leased, ` +
    `${count('draining')} draining, ${count('unhealthy')} unhealthy; ${status.reserved_vfs} reserved, ${status.queued_vfs} waited for`;
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
  const rank = (vf: VfView): number => (vf.state === 'leased' ? 0 : vf.state === 'draining' ? 1 : vf.state === 'unhealthy' ? 2 : 3);
  const sorted = [...status.vfs].sort((a, b) => rank(a) - rank(b));
  const lines = sorted.slice(0, Math.max(1, rows - 3)).map((vf) => {
    const old = before?.status.vfs.find((other) => other.name === vf.name);
    const same = old?.lease !== undefined && old.lease?.id === vf.lease?.id;
    const rate = (key: 'tx_bytes' | 'rx_bytes' | 'tx_frames' | 'rx_frames'): string => {
      const [from, to] = [old?.lease?.traffic?.[key], vf.lease?.traffic?.[key]];
      if (!same || from === undefined || to === undefined || seconds <= 0) {
        return '-';
      }
      const each = (to - from) / seconds;
      return key.endsWith('bytes') ? `${formatSize(Math.round(each))}/s` : each.toFixed(0);
    };
    const memory = vf.lease?.live_bytes === null || vf.lease === null ? '-' : `${formatSize(vf.lease.live_bytes)}/${formatSize(vf.lease.limit_bytes)}`;
    return [
      vf.name, vf.pf, vf.state, vf.link_up ? 'up' : 'down', vf.lease?.job ?? (vf.reason === null ? '' : vf.reason.slice(0, 40)),
      vf.lease === null ? '' : String(vf.lease.rank), vf.lease === null ? '' : String(vf.lease.rail), vf.lease === null ? '' : String(vf.lease.uid), vf.lease === null ? '' : String(vf.lease.pid),
      rate('tx_bytes'), rate('rx_bytes'), rate('tx_frames'), rate('rx_frames'), memory,
    ];
  });
  const title = ['VF', 'PF', 'STATE', 'LINK', 'JOB', 'RANK', 'RAIL', 'UID', 'PID', 'OUT', 'IN', 'OUT f/s', 'IN f/s', 'REGISTERED'];
  return [head, '', ...table([title, ...lines])].join('\n');
}

/** Runs until q, Ctrl-C or, when `times` is given, for so many pictures. */
export async function top(api: ApiClient, options: { intervalMs: number; times: number | undefined }): Promise<void> {
  const { stdin, stdout } = process;
  const live = stdout.isTTY === true;
  let before: Look | undefined;
  let left = options.times ?? (live ? Number.POSITIVE_INFINITY : 1);
  let stop = (): void => {};
  let stopped = false;
  const end = (): void => {
    stopped = true;
    stop();
  };
  const onKey = (key: Buffer): void => {
    if (['q', '\x03', '\x04'].includes(key.toString())) {
      end();
    }
  };
  if (live) {
    writeOut(ENTER);
    if (stdin.isTTY) {
      stdin.setRawMode(true).resume().on('data', onKey);
    }
    process.once('SIGTERM', end).once('SIGINT', end);
  }
  try {
    while (!stopped && left-- > 0) {
      const look = { at: performance.now(), status: await api.status() };
      const text = topText(look, before, live ? stdout.rows : Number.POSITIVE_INFINITY);
      writeOut(live ? `${CLEAR}${text.split('\n').map((line) => line.slice(0, stdout.columns)).join('\n')}` : `${text}\n`);
      before = look;
      if (left > 0 && !stopped) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, options.intervalMs);
          stop = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    }
  } finally {
    if (live) {
      writeOut(LEAVE);
      if (stdin.isTTY) {
        stdin.off('data', onKey).setRawMode(false).pause();
      }
      process.off('SIGTERM', end).off('SIGINT', end);
    }
  }
}
