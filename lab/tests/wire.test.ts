// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { FrameReader, bare } from '../src/wire/frames.js';
import { type Impairment, checkImpairment, NO_IMPAIRMENT } from '../src/wire/impairment.js';
import { Lane } from '../src/wire/lane.js';
import { randomFrom } from '../src/wire/random.js';
import { Switch } from '../src/wire/switch.js';

const lane = (change: Partial<Impairment>, seed = 'seed'): Lane<number> => {
  const made = new Lane<number>(randomFrom(seed));
  made.impairment = { ...NO_IMPAIRMENT, ...change };
  return made;
};
/** Sends frames 0, 1, ... a millisecond apart, and waits for what is held. */
function through(of: Lane<number>, count: number): number[] {
  const out: number[] = [];
  for (let frame = 0; frame < count; frame++) {
    out.push(...of.due(frame), ...of.push(frame, frame));
  }
  return [...out, ...of.due(1e9)];
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, frame) => frame);

describe('a lane of a wire', () => {
  it('leaves frames alone without faults', () => {
    expect(through(lane({}), 1000)).toEqual(upTo(1000));
    expect(lane({}).transparent).toBe(true);
  });

  it.each([[{ loss: 0.1 }], [{ duplicate: 0.1 }], [{ reorder: 0.1 }], [{ loss: 0.2, duplicate: 0.2, reorder: 0.2, delayMs: 3 }]])('does the same again from the same seed: %j', (change) => {
    expect(through(lane(change), 1000)).toEqual(through(lane(change), 1000));
    expect(through(lane(change), 1000)).not.toEqual(through(lane(change, 'other'), 1000));
  });

  it('loses the share that it is told to, and counts', () => {
    const lossy = lane({ loss: 0.1 });
    const out = through(lossy, 10_000);
    expect(lossy.counters).toMatchObject({ passed: out.length, lost: 10_000 - out.length });
    expect(lossy.counters.lost).toBeGreaterThan(850);
    expect(lossy.counters.lost).toBeLessThan(1150);
    expect(lossy.transparent).toBe(false);
  });

  it('delivers a doubled frame twice in a row', () => {
    expect(through(lane({ duplicate: 1 }), 3)).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('lets a few frames overtake one that it reorders, and loses none', () => {
    const unruly = lane({ reorder: 0.05 });
    const out = through(unruly, 2000);
    expect([...out].sort((a, b) => a - b)).toEqual(upTo(2000));
    const overtakers = upTo(2000).map((frame) => out.slice(0, out.indexOf(frame)).filter((other) => other > frame).length);
    expect(overtakers.filter((count) => count > 0)).toHaveLength(unruly.counters.reordered);
    expect(Math.max(...overtakers)).toBeLessThan(8);
  });

  it('does not keep a frame for ever that nothing overtakes', () => {
    const alone = lane({ reorder: 1 });
    expect(alone.push(7, 100)).toEqual([]);
    expect(alone.due(alone.nextDue! - 1)).toEqual([]);
    expect(alone.due(alone.nextDue!)).toEqual([7]);
    expect(alone.nextDue).toBeUndefined();
  });

  it('delays, in order, also when the delay gets shorter', () => {
    const slow = lane({ delayMs: 10 });
    expect(slow.push(0, 0)).toEqual([]);
    slow.impairment = NO_IMPAIRMENT;
    expect(slow.transparent).toBe(false);
    expect(slow.push(1, 1)).toEqual([]);
    expect(slow.due(9)).toEqual([]);
    expect(slow.due(10)).toEqual([0, 1]);
    expect(slow.transparent).toBe(true);
  });

  it('loses what is under way when it is cut, and goes on when it is healed', () => {
    const cable = lane({ delayMs: 10 });
    cable.push(0, 0);
    cable.impairment = { ...NO_IMPAIRMENT, cut: true };
    expect(cable.push(1, 1)).toEqual([]);
    expect(cable.due(1000)).toEqual([]);
    cable.impairment = NO_IMPAIRMENT;
    expect(cable.push(2, 1001)).toEqual([2]);
    expect(cable.counters).toMatchObject({ cut: 2, passed: 1 });
  });

  it('loses exactly the next frames when it is asked to', () => {
    const good = lane({});
    good.lose(2);
    expect(through(good, 5)).toEqual([2, 3, 4]);
    expect(good.counters.lost).toBe(2);
    expect(good.transparent).toBe(true);
  });

  it.each([{ loss: 1.1 }, { loss: NaN }, { duplicate: -0.1 }, { reorder: 2 }, { delayMs: -1 }, { delayMs: 1e9 }])('cannot be told %j', (change) => {
    expect(() => checkImpairment({ ...NO_IMPAIRMENT, ...change })).toThrow(RangeError);
  });
});

describe('a switch', () => {
  const mac = (n: number): number[] => [0x52, 0x54, 0, 0, 0, n];
  const frame = (to: number[], from: number[]): Buffer => Buffer.from([...to, ...from, 0x88, 0xb5, ...Array<number>(46).fill(0)]);
  const everyone = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  const wired = (...ports: string[]): Switch<string> => {
    const made = new Switch<string>();
    ports.forEach((port) => made.connect(port));
    return made;
  };

  it('sends to all others until it has heard of the receiver', () => {
    const wire = wired('a', 'b', 'c');
    expect(wire.route(frame(mac(2), mac(1)), 'a')).toEqual(['b', 'c']);
    expect(wire.route(frame(mac(1), mac(2)), 'b')).toEqual(['a']);
    expect(wire.route(frame(mac(2), mac(1)), 'a')).toEqual(['b']);
  });

  it('sends group frames to all others', () => {
    const wire = wired('a', 'b', 'c');
    expect(wire.route(frame(everyone, mac(1)), 'a')).toEqual(['b', 'c']);
    expect(wire.route(frame([0x33, 0x33, 0, 0, 0, 1], mac(1)), 'b')).toEqual(['a', 'c']);
  });

  it('does not learn a group address from a sender that has one', () => {
    const wire = wired('a', 'b', 'c');
    wire.route(frame(mac(9), everyone), 'a');
    expect(wire.route(frame(everyone, mac(2)), 'b')).toEqual(['a', 'c']);
  });

  it('sends nothing back to where it came from', () => {
    const wire = wired('a', 'b');
    wire.route(frame(everyone, mac(1)), 'a');
    expect(wire.route(frame(mac(1), mac(3)), 'a')).toEqual([]);
  });

  it('follows an address that moves, and forgets those of a port that is gone', () => {
    const wire = wired('a', 'b', 'c');
    wire.route(frame(everyone, mac(1)), 'a');
    wire.route(frame(everyone, mac(1)), 'b');
    expect(wire.route(frame(mac(1), mac(3)), 'c')).toEqual(['b']);
    wire.disconnect('b');
    expect(wire.route(frame(mac(1), mac(3)), 'c')).toEqual(['a']);
  });

  it('drops what is no Ethernet frame', () => {
    expect(wired('a', 'b').route(Buffer.alloc(13), 'a')).toEqual([]);
  });
});

describe('frames in a stream', () => {
  const prefixed = (text: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    return Buffer.concat([length, Buffer.from(text)]);
  };

  it('are whole, however the stream is divided', () => {
    const stream = Buffer.concat(['one', 'twotwo', 'x'].map(prefixed));
    for (let size = 1; size <= stream.length; size++) {
      const reader = new FrameReader();
      const seen: string[] = [];
      for (let at = 0; at < stream.length; at += size) {
        reader.push(stream.subarray(at, at + size), (frame) => seen.push(bare(frame).toString()));
      }
      expect(seen).toEqual(['one', 'twotwo', 'x']);
    }
  });

  it.each([[0], [69_633], [0xffffffff]])('a length of %d is refused', (length) => {
    const stream = Buffer.alloc(4);
    stream.writeUInt32BE(length);
    expect(() => new FrameReader().push(stream, () => undefined)).toThrow(RangeError);
  });
});
