// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a configuration may say. Messages say what is expected there; the
 * loader (load.ts) adds file, line, column and field.
 */
import * as z from 'zod';
import { RAILS_MAX } from '../rails.js';
import { isLocal, parseListen } from './listen.js';
import { parseDuration, parseSize } from './units.js';

/** One page: nothing smaller can be registered. */
const SMALLEST_LIMIT_BYTES = 4096;
/** The largest layer-2 payload any supported NIC carries (82576: 9728 with headers). */
const MTU_MAX = 9216;
const MTU_MIN = 576;
const SOFT_DIR_MAX_BYTES = 80;
/** As long as the lease protocol and the BTL have room for. */
const SEGMENT_MAX = 63;

/** A refused map names what belongs there; unknown keys have a message of their own in load.ts. */
const map = (what: string): { error: z.core.$ZodErrorMap } => ({
  error: (issue) => (issue.code === 'invalid_type' ? `expected here: ${what}` : undefined),
});

const size = z
  .string('a size with its unit, for example 64MiB')
  .refine((text) => parseSize(text) !== undefined, {
    error: 'a size is a whole number and a unit (B, KiB, MiB, GiB, kB, MB, GB), for example 64MiB',
    abort: true,
  })
  .transform((text) => parseSize(text) as number);

const dmaLimit = size.refine((bytes) => bytes >= SMALLEST_LIMIT_BYTES, 'at least 4KiB: less holds no ring');

const duration = z
  .string('a time with its unit, for example 2h')
  .refine((text) => parseDuration(text) !== undefined, {
    error: 'a time is a whole number from 1 on and a unit (s, m, h, d), for example 2h',
    abort: true,
  })
  .transform((text) => parseDuration(text) as number);

const memlock = z.union([z.literal('unlimited').transform(() => 'unlimited' as const), dmaLimit], {
  error: 'a size with its unit, for example 128MiB, or unlimited',
});

const count = (what: string, max: number): z.ZodNumber =>
  z.int(`${what}: a whole number from 1 to ${max}`).min(1, `${what}: at least 1`).max(max, `${what}: at most ${max}`);

const mtu = z
  .int(`a whole number of bytes from ${MTU_MIN} to ${MTU_MAX}`)
  .min(MTU_MIN, `at least ${MTU_MIN} bytes`)
  .max(MTU_MAX, `at most ${MTU_MAX} bytes`)
  .default(1500);

const ifName = z
  .string('the name of a network interface, for example ens1f0')
  .regex(/^[^\s/:]{1,15}$/, 'a network interface name has 1 to 15 characters, no space, slash or colon')
  .refine((name) => !['.', '..', 'all', 'default', 'vf'].includes(name), 'this name is reserved');

const bdf = z
  .string('a PCI address with its domain, for example 0000:3b:00.0')
  .regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/, 'a PCI address with its domain, in lower case, for example 0000:3b:00.0');

/** First byte: locally administered (bit 1) and not multicast (bit 0). */
const macPrefix = z
  .string('1 to 4 bytes in hexadecimal, for example "02:76:66" (in quotes)')
  .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){0,3}$/, '1 to 4 bytes in hexadecimal, for example "02:76:66" (in quotes)')
  .refine(
    (text) => (Number.parseInt(text.slice(0, 2), 16) & 3) === 2,
    'the first byte must be locally administered and not multicast: its second digit is 2, 6, a or e',
  )
  .transform((text) => text.toLowerCase());

const segment = z
  .string('the name of the network that this PF is on, for example fabric-a (in quotes, if it looks like a number)')
  .regex(/^[A-Za-z0-9._:-]*$/, 'the name of a network has letters A-Z a-z, digits, and . _ : - only, for example fabric-a')
  .min(1, 'at least 1 character; leave the field out where the network has no name')
  .max(SEGMENT_MAX, `at most ${SEGMENT_MAX} characters`);

const BDF = '[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]';
const pciId = z
  .string('a PCI id in quotes, for example "8086"')
  .regex(/^[0-9a-fA-F]{4}$/, 'four hexadecimal digits in quotes, for example "8086"')
  .transform((text) => text.toLowerCase());

const select = z
  .strictObject(
    {
      vendor: pciId.optional(),
      device: pciId.optional(),
      driver: z.string('the PF\'s driver, for example igb').regex(/^[\w-]{1,64}$/, 'the name of a driver, for example igb').optional(),
      numa: z.int('a NUMA node, from 0 on').min(0, 'a NUMA node, from 0 on').optional(),
      bdf: z
        .string('a PCI address or a range, for example 0000:3b:00.0-0000:3b:00.3')
        .regex(new RegExp(`^${BDF}(-${BDF})?$`), 'a PCI address with its domain, in lower case, or two with a dash between, for example 0000:3b:00.0-0000:3b:00.3')
        .optional(),
    },
    map('what the PFs have in common: vendor:, device:, driver:, numa:, bdf:'),
  )
  .refine((entry) => Object.values(entry).some((value) => value !== undefined), 'at least one of vendor:, device:, driver:, numa:, bdf:');

const mac = z
  .string('the MAC of the VF in quotes, for example "02:76:66:00:00:01"')
  .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, 'the MAC of the VF in quotes, for example "02:76:66:00:00:01"')
  .refine((text) => (Number.parseInt(text.slice(0, 2), 16) & 1) === 0 && !/^(00:){5}00$/.test(text), 'the MAC of one card: not a multicast one, and not 0')
  .transform((text) => text.toLowerCase());

const functions = z
  .array(z.strictObject({ bdf, mac }, map('a VF: bdf: and mac:')), 'a list of VFs whose PF is not here, each with bdf: and mac:')
  .min(1, 'at least one VF')
  .max(256, 'at most 256 VFs');

/** Settings that a PF's driver makes. */
const OF_A_PF = ['vfs', 'vlan', 'max_tx_mbit'] as const;
const VFS = count('number of VFs', 256);

const pf = z
  .strictObject({
    name: ifName.optional(),
    bdf: bdf.optional(),
    select: select.optional(),
    functions: functions.optional(),
    vfs: VFS.optional(),
    mtu,
    mac_prefix: macPrefix.default('02'),
    up: z.boolean('true or false').default(true),
    vlan: count('VLAN', 4094).optional(),
    segment: segment.optional(),
    backend: z.enum(['uio_vf', 'vfio'], "uio_vf (vfring's own kernel module) or vfio (the kernel's vfio-pci)").default('uio_vf'),
    max_tx_mbit: count('rate cap in Mbit/s', 400_000).optional(),
  }, map('a PF: name:, bdf: or select:, and vfs:; or VFs whose PF is not here: functions:'))
  .superRefine((entry, context) => {
    if ([entry.name, entry.bdf, entry.select, entry.functions].filter((key) => key !== undefined).length !== 1) {
      context.addIssue({ code: 'custom', message: 'a PF is named by either name: or bdf:, or several by select:, VFs without a PF by functions:, by exactly one of them' });
    } else if (entry.functions === undefined && entry.vfs === undefined) {
      context.addIssue({ code: 'custom', path: ['vfs'], message: 'number of VFs: a whole number from 1 to 256' });
    } else if (entry.functions !== undefined) {
      OF_A_PF.filter((key) => entry[key] !== undefined).forEach((key) =>
        context.addIssue({ code: 'custom', path: [key], message: `with functions: it is whoever has the PF that sets ${key}:` }));
    }
  })
  .transform(({ vfs, ...entry }) => ({ ...entry, vfs: vfs ?? entry.functions?.length ?? 0 }));

const sriov = z.strictObject(
  {
    pf: z
      .array(pf, 'a list of PFs, each beginning with a dash')
      .min(1, 'at least one PF')
      .superRefine((entries, context) => {
        entries.forEach((entry, i) => {
          if (entry.select !== undefined || entry.functions !== undefined) {
            return;
          }
          const key = entry.name === undefined ? 'bdf' : 'name';
          if (entries.findIndex((other) => other[key] === entry[key]) < i) {
            context.addIssue({ code: 'custom', path: [i, key], message: `${entry[key]} is in the list twice` });
          }
        });
      }),
  },
  map('the PFs whose VFs are given out'),
);

/** YAML takes 82599 for a number. */
const model = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : value),
  z.enum(['82576', '82599', 'x540'], 'what the soft VFs are: 82576, 82599 or x540').default('82576'),
);

const soft = z.strictObject(
  {
    dir: z
      .string('the folder of the soft VFs, for example /dev/shm/vfring')
      .regex(/^\/[^\0]*$/, 'an absolute path, for example /dev/shm/vfring')
      // A reply of the lease protocol names up to 64 files within 32768 bytes.
      .refine((path) => Buffer.byteLength(path) <= SOFT_DIR_MAX_BYTES, `a path of at most ${SOFT_DIR_MAX_BYTES} bytes`),
    vfs: count('number of soft VFs', 256),
    mtu,
    model,
  },
  map('the soft VFs of this node'),
);

const provider = z
  .strictObject({ sriov: sriov.optional(), soft: soft.optional() }, map('where VFs come from: sriov: or soft:'))
  .refine((entry) => (entry.sriov === undefined) !== (entry.soft === undefined), {
    error: 'exactly one provider: sriov: or soft:',
  });

const limits = z.strictObject(
  {
    dma_per_vf: dmaLimit.default(64 * 2 ** 20),
    memlock: memlock.default(128 * 2 ** 20),
  },
  map('the limits of a lease'),
);

const quotas = z.strictObject(
  {
    vfs_per_user: count('VFs of one user', 65_536).optional(),
    jobs_per_user: count('jobs of one user', 65_536).default(64),
  },
  map('what one user may have: vfs_per_user:, jobs_per_user:'),
);

const jobs = z.strictObject(
  {
    time_limit_max: duration.optional(),
    kill_after: duration.default(10),
    unused_after: duration.default(3600),
  },
  map('what holds for every job: time_limit_max:, kill_after:, unused_after:'),
);

const absolute = (what: string): z.ZodString => z.string(what).regex(/^\/[^\0]*$/, what);

const http = z
  .strictObject(
    {
      listen: z
        .string('where the page is served, for example 127.0.0.1:9155')
        .refine((text) => parseListen(text) !== undefined, 'an IP address and a port, for example 127.0.0.1:9155 or "[::1]:9155", or the path of a socket for a proxy'),
      token_file: absolute('an absolute path, for example /etc/vfring/http-token').optional(),
      hosts: z
        .array(z.string('a name of this node').regex(/^[A-Za-z0-9._-]{1,253}$/, 'a name of this node without its port, for example node7.example.org'))
        .max(64, 'at most 64 names')
        .default([]),
      group: z.string('a group, for example www-data').regex(/^[A-Za-z0-9._-]{1,32}$/, 'a group, for example www-data').optional(),
    },
    map('the page and metrics: listen:, and if need be token_file:, hosts:, group:'),
  )
  .superRefine(({ listen, token_file: token, group }, context) => {
    const place = parseListen(listen);
    if (place !== undefined && !isLocal(place) && token === undefined) {
      context.addIssue({ code: 'custom', path: ['listen'], message: 'an address that other machines reach needs token_file:, so that not everybody reads who runs what' });
    }
    if (place?.kind === 'tcp' && group !== undefined) {
      context.addIssue({ code: 'custom', path: ['group'], message: 'a group is for a socket: listen: /run/vfring/http.sock' });
    }
  });

export const configSchema = z.strictObject(
  {
    version: z.literal(1, 'this release reads version: 1'),
    provider,
    spread: z.enum(['pf', 'pack'], 'pf (ranks of a job go round the PFs) or pack (fill one PF first)').default('pf'),
    rails: count('VFs of a process that leaves their number to the node, one a PF', RAILS_MAX).default(2),
    numa: z
      .enum(['prefer', 'require', 'ignore'], 'prefer (VFs near the NUMA node of the process first), require (no others) or ignore')
      .default('prefer'),
    managed_by: z.literal('slurm', 'slurm (VFs are given out by Slurm alone, docs/slurm.md)').optional(),
    limits: limits.prefault({}),
    quotas: quotas.prefault({}),
    jobs: jobs.prefault({}),
    http: http.optional(),
  },
  map('the configuration: version:, provider:, and if need be spread:, rails:, numa:, managed_by:, limits:, quotas:, jobs: and http:'),
);

export type Config = z.output<typeof configSchema>;
export type SriovConfig = z.output<typeof sriov>;
export type PfConfig = z.output<typeof pf>;
/** Which driver of the kernel gives the VFs of a PF to processes. */
export type Backend = PfConfig['backend'];
export type SoftConfig = z.output<typeof soft>;
export type SoftModel = SoftConfig['model'];
export type HttpConfig = z.output<typeof http>;
export type Spread = Config['spread'];
export type NumaPolicy = Config['numa'];
