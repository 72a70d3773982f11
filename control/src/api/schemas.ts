// SPDX-License-Identifier: BSD-3-Clause
/**
 * What goes over api.sock, in both directions. The OpenAPI description is made
 * from these, and the types of both ends. Times are ISO 8601, sizes bytes.
 */
import * as z from 'zod';
import { JOB_LABEL } from '../model/job-label.js';

const HOST_NAME = /^[A-Za-z0-9_][A-Za-z0-9._:%-]{0,254}$/;

const count = z.int().min(0);
const time = z.string().describe('ISO 8601');
const numaNode = z.int().describe('NUMA node; -1: not known');
const bytes = count.describe('bytes');
const segment = z.string().describe('the network that the VF is on: VFs of one segment and VLAN reach each other; empty: nobody has named it');
const vlan = z.int().min(0).max(4094).describe('0: none');

export const errorSchema = z
  .object({ code: z.string(), message: z.string(), remedy: z.string() })
  .describe('code is one of docs/admin-guide.md');

export const trafficSchema = z
  .object({ tx_frames: count, tx_bytes: bytes, rx_frames: count, rx_bytes: bytes })
  .describe("by the VF's own counters");

export const leaseSchema = z.object({
  id: z.string(),
  job: z.string(),
  uid: count,
  pid: count,
  rank: count,
  ranks: count,
  state: z.enum(['held', 'ended']),
  how: z.string().nullable().describe('why it ended'),
  granted_at: time,
  ended_at: time.nullable(),
  memlock_bytes: z.int().nullable().describe('RLIMIT_MEMLOCK as set for the process; -1 unlimited, null untouched'),
  numa_nodes: z.array(count).nullable().describe('NUMA nodes whose CPUs its process may run on now; null: it has ended, or they are not known'),
  dma_limit_bytes: bytes.describe('most that the process may register with one VF'),
  vfs: z.array(
    z.object({
      name: z.string(),
      pf: z.string(),
      device: z.string(),
      mac: z.string(),
      numa: numaNode,
      segment,
      vlan,
      generation: count.describe('which lease of this VF it is, counted from 1'),
      traffic: trafficSchema.nullable().describe('null: the counters could not be read'),
      peak_bytes: bytes.nullable().describe('most that was registered at a time; null: not counted'),
      taken_at: time.nullable().describe('since when it is the lease\'s no more, which has gone on with its others; null: it was not taken'),
      taken_how: z.string().nullable().describe('why it was taken'),
      retransmitted_frames: count.nullable().describe('frames that were sent again because they went by this VF, as its process said last; null: it has said nothing, as for the next but one and two'),
      aside: z.boolean().describe('its process has set it aside, and has not said since that it works again'),
      asides: count.nullable().describe('how often its process set it aside because it carried nothing'),
      aside_why: z.string().nullable().describe('why, the last time'),
    }),
  ),
});

const spread = z.enum(['pf', 'pack']);

const totals = z.object({
  leases: count,
  vf_seconds: z.number().min(0),
  traffic: trafficSchema,
  uncounted_vfs: count.describe('VFs whose counters could not be read'),
  peak_bytes: bytes,
  reports: count.describe('leases whose process said at its end what it alone knows: the next two. One that was killed said nothing'),
  retransmitted_frames: count,
  fallbacks: count.describe('pairs of processes that other transports served'),
});

export const jobSchema = z.object({
  id: z.string(),
  uid: count,
  state: z.enum(['queued', 'open', 'ended']),
  how: z.string().nullable().describe('why it ended'),
  ranks: count.nullable(),
  spread: spread.nullable(),
  vfs: count.nullable().describe('VFs reserved for it; null: it takes what is free'),
  assigned_vfs: z.array(z.string()).nullable().describe('exactly these VFs, which a resource manager has assigned to it; null: none has'),
  memory_bytes: bytes.nullable(),
  time_limit_s: count.nullable(),
  shares_memory: z.boolean().describe('all its processes are on this node and share memory: none of them leases a VF'),
  hosts: z.array(z.string()).nullable().describe('nodes that its processes run on; null: not known'),
  created_at: time,
  opened_at: time.nullable(),
  wait_until: time.nullable(),
  ended_at: time.nullable(),
  totals: totals.describe('of its ended leases'),
  leases: z.array(leaseSchema),
});

export const jobsSchema = z.object({
  jobs: z.array(jobSchema),
  next: count.nullable().describe('there may be older ones: ask for those with before=NEXT. null: these are all'),
});

export const usageSchema = z.object({
  days: z
    .array(z.object({
      day: z.string().describe('YYYY-MM-DD, in UTC'),
      uid: count,
      jobs: count.describe('jobs whose first lease ended on that day'),
      totals: totals.describe('of the leases that ended on that day'),
    }))
    .describe('oldest first'),
});

export const newJobSchema = z.strictObject({
  id: z.string().regex(JOB_LABEL, 'a name of 1 to 128 of A-Z a-z 0-9 . _ @ : + -').optional().describe('what its processes call it (VFRING_JOB); one that has ended may come again'),
  hosts: z.array(z.string().regex(HOST_NAME, 'the name of a host')).min(1).max(1024).optional().describe('nodes that its processes run on'),
  ranks: z.int().min(1).max(1_000_000).optional().describe('processes'),
  spread: spread.optional(),
  vfs: z.int().min(1).max(65_536).optional().describe('reserve so many VFs for it'),
  devices: z.array(z.string().min(1).max(255)).min(1).max(1024).optional().describe('for administrators: device nodes of the VFs that a resource manager has assigned to it. Its time limit is the manager\'s to keep. Asked for again it is the same job; another job with one of these VFs ends'),
  memory_bytes: z.int().min(4096).max(2 ** 50).optional().describe('budget for all its VFs together, shared equally'),
  time_limit_s: z.int().min(1).max(315_360_000).optional(),
  wait_s: z.int().min(0).max(604_800).optional().describe('wait so long when the VFs are not free; 0: be refused'),
  uid: z.int().min(0).max(2 ** 32 - 2).optional().describe('for administrators: whose job it is'),
  one_run: z.boolean().optional().describe('it is of one run of a program, and ends when its last process has'),
  shares_memory: z.boolean().optional().describe('all its processes are on this node and share memory: none of them will lease a VF'),
});

export const vfSchema = z.object({
  name: z.string(),
  kind: z.enum(['sriov', 'soft']),
  pf: z.string(),
  device: z.string(),
  mac: z.string(),
  mtu: count,
  model: z.string().nullable().describe('of a soft VF: whose registers it has'),
  numa: numaNode,
  segment,
  vlan,
  state: z.enum(['free', 'leased', 'draining', 'unhealthy']),
  link_up: z.boolean().describe('when it was last looked at'),
  reason: z.string().nullable(),
  lease: z
    .object({
      id: z.string(),
      job: z.string(),
      uid: count,
      pid: count,
      rank: count,
      rail: count.describe('which of the VFs of its lease it is, from 0'),
      rails: count.describe('VFs that the lease has now'),
      live_bytes: bytes.nullable().describe('registered now'),
      peak_bytes: bytes.nullable(),
      limit_bytes: bytes,
      traffic: trafficSchema.nullable(),
    })
    .nullable()
    .describe('to its own user and to administrators only'),
});

export const statusSchema = z.object({
  version: z.literal(1),
  pid: count,
  provider: z.enum(['sriov', 'soft']),
  spread,
  rails: count.describe('VFs that a process gets at most when it leaves their number to the node'),
  numa: z.enum(['prefer', 'require', 'ignore']).describe('whether leases prefer or require VFs near the NUMA node of their process'),
  started_at: time,
  policy: z
    .object({
      dma_per_vf_bytes: bytes,
      memlock_bytes: z.int().describe('-1: unlimited'),
      vfs_per_user: count.nullable(),
      jobs_per_user: count,
      time_limit_max_s: count.nullable(),
    })
    .describe('what one process, job or user may have'),
  reserved_vfs: count.describe('free VFs that are kept for open jobs'),
  queued_vfs: count.describe('VFs that jobs wait for'),
  troubles: z
    .array(z.object({ pf: z.string(), code: z.string(), message: z.string(), remedy: z.string() }))
    .describe('PFs of the configuration that give no VFs, and why'),
  http: z
    .object({
      listen: z.string(),
      serving: z.boolean(),
      connections: count,
      streams: count.describe('readers that watch'),
      dropped: count.describe('connections and streams that were too many, since it began to listen'),
      refused: count.describe('requests that were refused for their method, Host, Origin or token'),
      slow: count.describe('streams that were cut off because nobody read them'),
      trouble: errorSchema.nullable().describe('why it does not serve'),
    })
    .nullable()
    .describe('the page and metrics over HTTP; null: not configured'),
  vfs: z.array(vfSchema),
});

export const leasesSchema = z.object({ leases: z.array(leaseSchema) });

export const planSchema = z.object({
  steps: z.array(z.object({ what: z.string(), why: z.string(), disturbs: z.array(z.string()).optional().describe('VFs in use that it takes away') })),
});
