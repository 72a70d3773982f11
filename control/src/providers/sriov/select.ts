// SPDX-License-Identifier: BSD-3-Clause
/** Which PFs an entry of the configuration means: one by name, or all that match. */
import type { PfConfig, SriovConfig } from '../../config/schema.js';
import { VfringError } from '../../errors.js';
import type { Sysfs } from './sysfs.js';

interface Candidate {
  readonly name: string;
  readonly bdf: string;
  readonly vendor: string | undefined;
  readonly device: string | undefined;
  readonly driver: string | undefined;
  readonly numa: number;
}

/**
 * One entry a PF, in the order of the configuration, PFs of one entry by their
 * address. A PF that is named is not taken by a selector as well, and of several
 * selectors the first has it. Throws VFRING_ERR_PF_UNKNOWN when one has none,
 * or tells `none` of it.
 */
export async function selectPfs(config: SriovConfig, sysfs: Sysfs, none?: (pf: string, error: unknown) => void): Promise<PfConfig[]> {
  if (config.pf.every(({ select }) => select === undefined)) {
    return [...config.pf];
  }
  const capable = await candidates(sysfs);
  const taken = new Set(config.pf.flatMap(({ name, bdf }) => [name, bdf].filter((key) => key !== undefined)));
  return config.pf.flatMap((entry) => {
    const { select, ...rest } = entry;
    if (select === undefined) {
      return [entry];
    }
    const found = capable.filter((pf) => matches(pf, select) && !taken.has(pf.name) && !taken.has(pf.bdf));
    if (found.length === 0) {
      const pf = `that matches ${Object.entries(select).map(([key, value]) => `${key}: ${value}`).join(', ')}`;
      const error = new VfringError('VFRING_ERR_PF_UNKNOWN', { pf, known: capable.map(({ name }) => name).join(', ') || 'none' });
      if (none === undefined) {
        throw error;
      }
      none(pf, error);
    }
    found.forEach(({ name }) => taken.add(name));
    return found.map(({ name }) => ({ ...rest, name }));
  });
}

async function candidates(sysfs: Sysfs): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const name of await sysfs.list('class/net')) {
    const dir = `class/net/${name}/device`;
    const bdf = await sysfs.link(dir);
    if (bdf === undefined || !(Number(await sysfs.read(`${dir}/sriov_totalvfs`)) > 0)) {
      continue;
    }
    const id = async (file: string): Promise<string | undefined> => (await sysfs.read(`${dir}/${file}`))?.replace(/^0x/, '').toLowerCase();
    found.push({
      name,
      bdf,
      vendor: await id('vendor'),
      device: await id('device'),
      driver: await sysfs.link(`${dir}/driver`),
      numa: Number((await sysfs.read(`${dir}/numa_node`)) ?? -1),
    });
  }
  return found.sort((a, b) => compareBdf(a.bdf, b.bdf));
}

function matches(pf: Candidate, select: NonNullable<PfConfig['select']>): boolean {
  const [first, last = first] = select.bdf?.split('-') ?? [];
  return (
    (select.vendor === undefined || pf.vendor === select.vendor) &&
    (select.device === undefined || pf.device === select.device) &&
    (select.driver === undefined || pf.driver === select.driver) &&
    (select.numa === undefined || pf.numa === select.numa) &&
    (first === undefined || (compareBdf(pf.bdf, first) >= 0 && compareBdf(pf.bdf, last ?? first) <= 0))
  );
}

/** Fields are hexadecimal of fixed width, but for the domain. */
function compareBdf(a: string, b: string): number {
  const key = (bdf: string): string => bdf.padStart(16, '0');
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}
