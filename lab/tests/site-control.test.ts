// SPDX-License-Identifier: BSD-3-Clause
/** Orders to the wires of a lab that runs: its real wires, with nobody plugged in, and played hosts. */
import { CommanderError } from 'commander';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildDir } from '../src/paths.js';
import { type Order, sendOrder, serveOrders } from '../src/site-control.js';
import { wireProgram } from '../src/wire-options.js';
import { Wires } from '../src/wires.js';

describe('orders to a lab that runs', () => {
  let wires: Wires;
  let stop: () => void;
  const carriers: string[] = [];
  const host = (name: string, isOff = false) => ({ name, isOff, setCarrier: async (pf: number, up: boolean) => void await Promise.resolve(carriers.push(`${name} pf${pf} ${up}`)) });
  beforeEach(async () => {
    wires = await Wires.start(['host1', 'host2'], ['pf0', 'pf1', 'mgmt']);
    stop = await serveOrders({ wires, hosts: [host('host1'), host('host2'), host('host3', true)] });
    carriers.length = 0;
  });
  afterEach(async () => {
    stop();
    await wires.close();
  });

  const send = async (order: Order) => await sendOrder(order, process.pid);

  it('cut what they name, until it is healed', async () => {
    const socket = net.connect(path.relative(process.cwd(), path.join(buildDir, wires.socketOf('host1', 'pf1'))));
    await new Promise((resolve) => socket.once('connect', resolve));
    const sent = async (count: number) => {
      socket.write(Buffer.from([0, 0, 0, 16, 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 0, 0]));
      for (;;) {
        const { tx } = (await send({ order: 'counters', where: {} }))['host1.pf1']!;
        if (tx.passed + tx.cut + tx.lost === count) {
          return tx;
        }
      }
    };
    await send({ order: 'cut', where: { host: 'host1' } });
    expect(await sent(1)).toMatchObject({ cut: 1 });
    await send({ order: 'heal', where: {} });
    expect(await sent(2)).toMatchObject({ cut: 1, passed: 1 });
    await send({ order: 'impair', where: { direction: 'tx' }, change: { loss: 1 } });
    expect(await sent(3)).toMatchObject({ lost: 1 });
    socket.destroy();
  });

  it('take carriers from the PFs that they name, of hosts that are on', async () => {
    await send({ order: 'carrier', where: {}, up: false });
    await send({ order: 'carrier', where: { host: 'host2', wire: 'pf1' }, up: true });
    expect(carriers).toEqual(['host1 pf0 false', 'host2 pf0 false', 'host2 pf1 true']);
    await expect(send({ order: 'carrier', where: { wire: 'mgmt' }, up: true })).rejects.toThrow(/mgmt has no carrier/);
    await expect(send({ order: 'carrier', where: { host: 'host3' }, up: true })).rejects.toThrow(/no host host3/);
  });

  it('are refused in words, and the lab goes on', async () => {
    await expect(send({ order: 'cut', where: { host: 'host9' } })).rejects.toMatchObject({ code: 'VFRING_ERR_LAB_USAGE', message: expect.stringMatching(/no host host9; hosts are host1, host2/) as string });
    await expect(send({ order: 'impair', where: {}, change: { loss: 7 } })).rejects.toThrow(/probability/);
    for (const nonsense of ['\n', 'cut\n', '{"order":"cut"}\n', '{}\n', 'null\n', '']) {
      await new Promise<void>((resolve) => {
        const socket = net.connect(path.relative(process.cwd(), path.join(buildDir, wires.pathOf('control'))), () => socket.end(nonsense));
        socket.on('close', () => resolve()).on('error', () => resolve()).resume();
      });
    }
    expect(Object.keys(await send({ order: 'counters', where: {} }))).toContain('host2.mgmt');
  });

  it('need a lab that runs, and one that is named where there are several', async () => {
    await expect(sendOrder({ order: 'heal', where: {} }, 1)).rejects.toMatchObject({ code: 'VFRING_ERR_LAB_USAGE', message: 'no lab with hosts runs here as process 1' });
    await expect(sendOrder({ order: 'heal', where: {} }, undefined, path.join(buildDir, 'none'))).rejects.toThrow('no lab with hosts runs here');
    const other = await Wires.start(['host1'], ['pf0']);
    const stopOther = await serveOrders({ wires: other, hosts: [] });
    await expect(send({ order: 'heal', where: {} })).rejects.toThrow(/several labs run here/);
    stopOther();
    await other.close();
    stop();
    await expect(send({ order: 'heal', where: {} })).rejects.toThrow(/no lab with hosts runs here/);
  });
});

describe('the command line of npm run lab:wire', () => {
  const given: [Order, number | undefined][] = [];
  let text = '';
  const run = async (...args: string[]) => {
    const lane = { passed: 1, lost: 0, duplicated: 0, reordered: 0, cut: 22 };
    const program = wireProgram(async (order, pid) => {
      given.push([order, pid]);
      return await Promise.resolve({ 'host1.pf0': { tx: lane, rx: lane, overrun: 3 } });
    }, (line) => {
      text = line;
    });
    [program, ...program.commands].forEach((command) => command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined }));
    await program.parseAsync(args, { from: 'user' });
    return given.pop();
  };

  it('has an order for each thing that can be done', async () => {
    expect(await run('cut')).toEqual([{ order: 'cut', where: {} }, undefined]);
    expect(await run('--host', 'host2', '--wire', 'mgmt', '--lab', '7', 'heal')).toEqual([{ order: 'heal', where: { host: 'host2', wire: 'mgmt' } }, 7]);
    expect(await run('--direction', 'tx', 'set', 'loss=1%,delay=5ms')).toEqual([{ order: 'impair', where: { direction: 'tx' }, change: { loss: 0.01, delayMs: 5 } }, undefined]);
    expect(await run('lose')).toEqual([{ order: 'lose', where: {}, count: 1 }, undefined]);
    expect(await run('lose', '12')).toEqual([{ order: 'lose', where: {}, count: 12 }, undefined]);
    expect(await run('carrier', 'down')).toEqual([{ order: 'carrier', where: {}, up: false }, undefined]);
    await run('counters');
    expect(text).toBe('port          passed  lost  duplicated  reordered  cut  overrun\nhost1.pf0 tx       1     0           0          0   22\nhost1.pf0 rx       1     0           0          0   22        3');
  });

  it.each([[[]], [['cot']], [['set']], [['set', 'loss=2']], [['set', 'seed=1']], [['lose', '0']], [['carrier', 'off']], [['cut', 'host2']], [['--direction', 'up', 'cut']]])('refuses %j', async (args) => {
    await expect(run(...args)).rejects.toThrow(CommanderError);
  });
});
