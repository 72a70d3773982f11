// SPDX-License-Identifier: BSD-3-Clause
/** The process of the wires, with plain sockets in place of QEMU. */
import { existsSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildDir } from '../src/paths.js';
import { bare, FrameReader } from '../src/wire/frames.js';
import { Wires } from '../src/wires.js';

/** The end of a cable that a host holds. */
class End {
  readonly seen: string[] = [];
  #waiting: { count: number; resolve: () => void } | undefined;

  constructor(readonly socket: net.Socket) {
    const reader = new FrameReader();
    socket.on('data', (chunk) => reader.push(chunk, (prefixed) => {
      this.seen.push(bare(prefixed).subarray(14).toString());
      if (this.#waiting !== undefined && this.seen.length >= this.#waiting.count) {
        this.#waiting.resolve();
      }
    }));
    socket.on('error', () => undefined);
  }

  send(to: number, from: number, text: string): void {
    const frame = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5]), Buffer.from(text)]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    this.socket.write(Buffer.concat([length, frame]));
  }

  async until(count: number): Promise<string[]> {
    if (this.seen.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = { count, resolve };
      });
    }
    return this.seen;
  }
}

describe('the process of the wires', () => {
  let wires: Wires;
  const ends: End[] = [];
  const plugIn = async (host: string, wire = 'pf0'): Promise<End> => {
    const socket = net.connect(path.relative(process.cwd(), path.join(buildDir, wires.socketOf(host, wire))));
    await new Promise((resolve) => socket.once('connect', resolve));
    const end = new End(socket);
    ends.push(end);
    return end;
  };
  beforeEach(async () => {
    wires = await Wires.start(['host1', 'host2', 'host3'], ['pf0', 'pf1', 'mgmt'], 7);
  });
  afterEach(async () => {
    ends.splice(0).forEach(({ socket }) => socket.destroy());
    await wires.close();
  });

  it('carries frames from host to host, and not to another wire', async () => {
    const [one, two, three, other] = [await plugIn('host1'), await plugIn('host2'), await plugIn('host3'), await plugIn('host2', 'pf1')];
    one.send(2, 1, 'to all, for 2 is not known');
    expect(await two.until(1)).toEqual(await three.until(1));
    two.send(1, 2, 'back');
    expect(await one.until(1)).toEqual(['back']);
    one.send(2, 1, 'to 2 only');
    await two.until(2);
    one.send(255, 1, 'last');
    expect(await three.until(2)).toEqual(['to all, for 2 is not known', 'last']);
    expect(other.seen).toEqual([]);
  });

  it('loses, cuts and heals where it is told to, and counts', async () => {
    const [one, two] = [await plugIn('host1'), await plugIn('host2')];
    await wires.lose({ host: 'host2' }, 2);
    ['a', 'b', 'c'].forEach((text) => one.send(2, 1, text));
    expect(await two.until(1)).toEqual(['c']);
    await wires.cut({ host: 'host2', wire: 'pf0' });
    one.send(2, 1, 'into the cut');
    two.send(1, 2, 'out of the cut');
    for (let counters = await wires.counters(); counters['host2.pf0']!.rx.cut + counters['host2.pf0']!.tx.cut < 2; counters = await wires.counters()) {
      // The frames are on their way.
    }
    await wires.heal({});
    one.send(2, 1, 'd');
    expect(await two.until(2)).toEqual(['c', 'd']);
    expect(one.seen).toEqual([]);
    expect((await wires.counters())['host2.pf0']).toMatchObject({ rx: { passed: 2, lost: 2, cut: 1 }, tx: { cut: 1 } });
  });

  it('leaves the management network alone unless it is named', async () => {
    const [one, two] = [await plugIn('host1', 'mgmt'), await plugIn('host2', 'mgmt')];
    await wires.cut({});
    one.send(2, 1, 'ssh');
    expect(await two.until(1)).toEqual(['ssh']);
    await wires.cut({ wire: 'mgmt' });
    one.send(2, 1, 'gone');
    while ((await wires.counters())['host1.mgmt']!.tx.cut < 1) {
      // It is on its way.
    }
    expect(two.seen).toEqual(['ssh']);
  });

  it('takes a host back that was started anew', async () => {
    const [one, two] = [await plugIn('host1'), await plugIn('host2')];
    two.socket.destroy();
    const again = await plugIn('host2');
    again.send(1, 2, 'I am back');
    expect(await one.until(1)).toEqual(['I am back']);
    one.send(2, 1, 'welcome');
    expect(await again.until(1)).toEqual(['welcome']);
  });

  it('refuses hosts, wires and faults that there are not', async () => {
    await expect(wires.cut({ host: 'host9' })).rejects.toThrow(/no host host9; hosts are host1, host2, host3/);
    await expect(wires.cut({ wire: 'pf9' })).rejects.toThrow(/no wire pf9/);
    await expect(wires.impair({}, { loss: 2 })).rejects.toThrow(/probability/);
  });

  it('is missed when it is killed, and leaves no sockets', async () => {
    const waiting = wires.counters();
    process.kill(wires.pid, 'SIGKILL');
    await expect(wires.lost).rejects.toMatchObject({ code: 'VFRING_ERR_LAB_WIRE' });
    await waiting.catch(() => undefined);
    await expect(wires.counters()).rejects.toMatchObject({ code: 'VFRING_ERR_LAB_WIRE' });
    const folder = path.dirname(path.join(buildDir, wires.socketOf('host1', 'pf0')));
    await wires.close();
    expect(existsSync(folder)).toBe(false);
  });
});
