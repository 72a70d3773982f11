// SPDX-License-Identifier: BSD-3-Clause
/** What another terminal can do to the wires of a lab that runs: a socket beside those of the wires, and a line of JSON each way. */
import { readdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { LabError, EXIT_STATUS } from './errors.js';
import { lineReader } from './lines.js';
import { buildDir } from './paths.js';
import type { Impairment } from './wire/impairment.js';
import type { PortCounters } from './wire/port.js';
import type { Where, Wires } from './wires.js';

/** See {@link Wires} and Host.setCarrier. */
export type Deed =
  | { order: 'cut' | 'heal' | 'counters' }
  | { order: 'impair'; change: Partial<Impairment> }
  | { order: 'lose'; count: number }
  | { order: 'carrier'; up: boolean };
/** To the ports that `where` names. */
export type Order = Deed & { where: Where };

/** After the order. */
export type Counters = Readonly<Record<string, PortCounters>>;
type Answer = { counters: Counters } | { error: string };

/** What can be ordered: a site, as far as its wires go. */
export interface Wired {
  readonly wires: Pick<Wires, 'cut' | 'heal' | 'impair' | 'lose' | 'counters' | 'pathOf'>;
  readonly hosts: readonly { readonly name: string; readonly isOff: boolean; setCarrier(pf: number, up: boolean): Promise<void> }[];
}

const SOCKET_NAME = 'control';
/** The address of a UNIX socket has 107 bytes: a path from here may fit where an absolute one does not. */
const fromHere = (file: string): string => path.relative(process.cwd(), file);

async function setCarrier(site: Wired, { host, wire }: Where, up: boolean): Promise<void> {
  const pf = /^pf(\d+)$/.exec(wire ?? 'pf0')?.[1];
  if (pf === undefined) {
    throw new RangeError(`${wire} has no carrier; PFs are pf0, pf1 ...`);
  }
  const hosts = site.hosts.filter(({ name, isOff }) => !isOff && (host === undefined || name === host));
  if (hosts.length === 0) {
    throw new RangeError(`there is no host ${host}; hosts are ${site.hosts.map(({ name }) => name).join(', ')}`);
  }
  await Promise.all(hosts.map(async (of) => await of.setCarrier(Number(pf), up)));
}

async function obey(site: Wired, order: Order): Promise<Counters> {
  const { where } = order;
  switch (order.order) {
    case 'cut':
    case 'heal':
      await site.wires[order.order](where);
      break;
    case 'impair':
      await site.wires.impair(where, order.change);
      break;
    case 'lose':
      await site.wires.lose(where, order.count);
      break;
    case 'carrier':
      await setCarrier(site, where, order.up);
      break;
    case 'counters':
      break;
  }
  return await site.wires.counters();
}

/** Takes orders until the function that it returns is called. */
export async function serveOrders(site: Wired): Promise<() => void> {
  const connections = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    // Who asked may have gone.
    socket.on('error', () => undefined);
    void lineReader(socket)().then(async (line) => await obey(site, JSON.parse(line) as Order))
      .then((counters): Answer => ({ counters }), (error: Error): Answer => ({ error: error.message }))
      .then((answer) => socket.end(`${JSON.stringify(answer)}\n`));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(fromHere(path.join(buildDir, site.wires.pathOf(SOCKET_NAME))), resolve);
  });
  return () => {
    server.close();
    connections.forEach((socket) => socket.destroy());
  };
}

const usage = (message: string, remedy: string): LabError => new LabError('VFRING_ERR_LAB_USAGE', message, remedy, EXIT_STATUS.usage);

/** Process ids of the labs of this checkout that have wires, the folders of killed ones among them. */
function labsWithWires(dir: string): { lab: number; file: string }[] {
  let names: string[] = [];
  try {
    names = readdirSync(dir);
  } catch {
    // No lab has run here yet.
  }
  return names.flatMap((name) => {
    const pid = /^wires-(\d+)-\d+$/.exec(name)?.[1];
    return pid === undefined ? [] : [{ lab: Number(pid), file: path.join(dir, name, SOCKET_NAME) }];
  });
}

async function connected(file: string): Promise<net.Socket | undefined> {
  const socket = net.connect(fromHere(file));
  return await new Promise((resolve) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

/**
 * Gives the order to a lab that runs.
 * @param pid of its process; needed where several run
 * @throws LabError VFRING_ERR_LAB_USAGE when there is no such lab, or it refuses
 */
export async function sendOrder(order: Order, pid?: number, dir = buildDir): Promise<Counters> {
  const live = (await Promise.all(labsWithWires(dir).filter(({ lab }) => pid === undefined || lab === pid)
    .map(async ({ lab, file }) => ({ lab, socket: await connected(file) })))).filter(({ socket }) => socket !== undefined) as { lab: number; socket: net.Socket }[];
  const [one, ...others] = live;
  try {
    if (one === undefined) {
      throw usage(`no lab with hosts runs here${pid === undefined ? '' : ` as process ${pid}`}`, 'start one: npm run lab -- --hosts 2 -- COMMAND');
    }
    if (others.length > 0) {
      throw usage(`several labs run here: ${live.map(({ lab }) => lab).join(', ')}`, 'name one of these process ids: --lab PID');
    }
    const line = lineReader(one.socket)();
    const gone = new Promise<never>((_, reject) => {
      one.socket.once('close', () => reject(usage('the lab ended before it had answered', 'nothing: its wires are gone with it')));
    });
    gone.catch(() => undefined);
    one.socket.write(`${JSON.stringify(order)}\n`);
    const answer = JSON.parse(await Promise.race([line, gone])) as Answer;
    if ('error' in answer) {
      throw usage(answer.error, 'see npm run lab:wire -- --help');
    }
    return answer.counters;
  } finally {
    live.forEach(({ socket }) => socket.destroy());
  }
}
