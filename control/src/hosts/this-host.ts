// SPDX-License-Identifier: BSD-3-Clause
/** Which names are of this host: as mpirun, vfring goes by name and by address. */
import { lookup } from 'node:dns/promises';
import os from 'node:os';

export async function isThisHost(name: string): Promise<boolean> {
  const own = os.hostname().toLowerCase();
  const asked = name.toLowerCase();
  if (asked === 'localhost' || asked === own || own.startsWith(`${asked}.`) || asked.startsWith(`${own}.`)) {
    return true;
  }
  // A name that ssh alone knows, by its configuration, is another host's.
  const addresses = await lookup(name, { all: true }).catch(() => []);
  const mine = new Set(Object.values(os.networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address)));
  return addresses.some(({ address }) => mine.has(address));
}
