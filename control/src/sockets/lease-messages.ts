// SPDX-License-Identifier: BSD-3-Clause
/** The messages of docs/lease-protocol.md. */
import * as z from 'zod';
import { badRequest, type ErrorReport } from '../errors.js';
import { heldVfs, type Lease } from '../leases/lease.js';
import { JOB_LABEL } from '../model/job-label.js';
import { version } from '../paths.js';

const MOST_VFS = 64;

const place = z.int().min(0);
const name = z.string().min(1).max(64);

const leaseRequest = z.strictObject({
  v: z.literal(1),
  op: z.literal('lease'),
  count: z.int().min(1).max(MOST_VFS),
  most: z.int().min(1).max(MOST_VFS).optional(),
  job: z.string().regex(JOB_LABEL, 'must be 1 to 128 of A-Z a-z 0-9 . _ @ : + -'),
  rank: place,
  ranks: place,
  local_ranks: z.int().min(1).optional(),
  except: z.array(name).max(64).optional(),
  instead_of: name.optional(),
});

const showRequest = z.strictObject({ v: z.literal(1), op: z.literal('show'), lease: name });

const count = z.int().min(0);

const vfReport = z.strictObject({
  name,
  retransmitted: count,
  asides: count,
  why: z.string().regex(/^[\x20-\x7e]{1,200}$/, 'must be 1 to 200 printable characters').optional(),
});

const releaseRequest = z.strictObject({
  v: z.literal(1),
  op: z.literal('release'),
  lease: name,
  report: z.strictObject({ retransmitted: count, fallbacks: count, vfs: z.array(vfReport).max(MOST_VFS).optional() }).optional(),
});

const reportRequest = z.strictObject({
  v: z.literal(1),
  op: z.literal('report'),
  lease: name,
  report: z.strictObject({ retransmitted: count, fallbacks: count, vfs: z.array(vfReport.extend({ aside: z.boolean() })).max(MOST_VFS).optional() }),
});

const vfRequest = z.strictObject({
  v: z.literal(1),
  op: z.literal('vf'),
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'must be a MAC address, in lower case'),
});

const request = z.discriminatedUnion('op', [leaseRequest, showRequest, reportRequest, releaseRequest, vfRequest]);

export type LeaseMessage = z.output<typeof request>;

export const REMEDY = `install vfringd and the BTL of one release: this vfringd is of vfring ${version()}, and of the BTL ompi_info says it; after an upgrade start vfringd anew (systemctl restart vfringd)`;

/** Throws VFRING_ERR_BAD_REQUEST that names the field. */
export function parseRequest(line: string): LeaseMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw badRequest('the request is not a line of JSON', REMEDY);
  }
  const parsed = request.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.');
    throw badRequest(`wrong request: ${field ? `${field}: ` : ''}${issue?.message ?? 'not understood'}`, REMEDY);
  }
  if (parsed.data.op === 'lease' && (parsed.data.most ?? parsed.data.count) < parsed.data.count) {
    throw badRequest('wrong request: most: less than count', REMEDY);
  }
  return parsed.data;
}

export function leaseReply(lease: Pick<Lease, 'id' | 'memlockBytes' | 'dmaLimitBytes' | 'vfs'>): string {
  return JSON.stringify({
    v: 1,
    ok: true,
    lease: lease.id,
    memlock_bytes: lease.memlockBytes,
    vfs: heldVfs(lease).map(({ vf }) => ({
      kind: vf.kind,
      backend: vf.backend,
      name: vf.name,
      device: vf.device,
      mac: vf.mac,
      mtu: vf.mtu,
      pf: vf.pf,
      numa: vf.numa,
      segment: vf.segment,
      vlan: vf.vlan,
      dma_limit_bytes: lease.dmaLimitBytes,
    })),
  });
}

/** To what is only told. */
export const doneReply = (): string => JSON.stringify({ v: 1, ok: true });

/** @param since the VF is back, in ms; undefined: nothing is known of that */
export const vfReply = (since: number | undefined): string => JSON.stringify({ v: 1, ok: true, back_ms: since });

export function errorReply({ code, message, remedy }: ErrorReport): string {
  return JSON.stringify({ v: 1, ok: false, code, message: clip(message), remedy: clip(remedy) });
}

/** A reply has 32768 bytes at most; a message may quote what somebody else wrote. */
function clip(text: string): string {
  return text.length <= 1000 ? text : `${text.slice(0, 997)}...`;
}
