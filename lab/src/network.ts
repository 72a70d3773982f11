// SPDX-License-Identifier: BSD-3-Clause
/** What distinguishes one of several hosts: its network devices, plugged in when the saved machine, which is the same for all, has been loaded. */
import type { Emulator } from './emulator.js';
import { slotName } from './qemu.js';

/** The wire of ssh and whatever else is no test traffic. */
export const MANAGEMENT_WIRE = 'mgmt';
/** The wire that the PFs number `index` of all hosts are on. */
export const wireOfPf = (index: number): string => `pf${index}`;

/** What a device's socket is to the other end: to a wire's process, or to the other one of two hosts. */
export type End = 'plug' | 'first' | 'second';

/** A network device and the cable from it. */
export interface Link {
  end: End;
  wire: string;
  driver: 'igb' | 'virtio-net-pci';
  mac: string;
  slot: string;
  /** UNIX socket; relative to QEMU's working folder, whose name may be long. */
  socket: string;
}

const hex = (value: number): string => value.toString(16).padStart(2, '0');
export const pfMac = (host: number, pf: number): string => `52:54:00:25:${hex(0x70 + host)}:${hex(pf)}`;
export const managementMac = (host: number): string => `52:54:00:99:00:${hex(host)}`;
export const managementAddress = (host: number): string => `10.99.0.${host}`;
export const hostName = (host: number): string => `host${host}`;

/**
 * @param host its number, from 1 on
 * @param socketOf the UNIX socket of a wire for this host
 * @param direct whether the PFs' cables lead to the other one of two hosts, instead of to a wire's process
 */
export function linksOf(host: number, pfs: number, socketOf: (wire: string) => string, direct = false): Link[] {
  const devices = Array.from({ length: pfs }, (_, index): Omit<Link, 'slot' | 'socket'> => ({ end: !direct ? 'plug' : host === 1 ? 'first' : 'second', wire: wireOfPf(index), driver: 'igb', mac: pfMac(host, index) }));
  return [...devices, { end: 'plug' as const, wire: MANAGEMENT_WIRE, driver: 'virtio-net-pci' as const, mac: managementMac(host) }]
    .map((device, index) => ({ ...device, slot: slotName(index), socket: socketOf(device.wire) }));
}

/** Arguments of QEMU that connect it to the wires; no part of what a saved machine must agree in. */
export function netdevArguments(links: readonly Link[]): string[] {
  // The hosts of a direct cable start in any order: the second one tries until the first one listens.
  const role = { plug: 'server=off', first: 'server=on', second: 'server=off,reconnect-ms=100' };
  return links.flatMap(({ end, wire, socket }) => ['-netdev', `stream,id=${wire},${role[end]},addr.type=unix,addr.path=${socket.replaceAll(',', ',,')}`]);
}

/** The machine may run or stand; a guest that runs finds the devices a moment later. */
export async function plugIn(emulator: Emulator, links: readonly Link[]): Promise<void> {
  for (const { wire, driver, mac, slot } of links) {
    await emulator.monitor.execute('device_add', { driver, id: `nic-${wire}`, bus: slot, netdev: wire, mac, romfile: '' });
  }
}
