// SPDX-License-Identifier: BSD-3-Clause
/** VFs of a lease that its process does not open itself. Not in the lease queue: a VF is reset first, which takes its time. */
import { VfringError } from '../errors.js';
import type { OpenedVfs, Provider } from '../providers/provider.js';
import { heldVfs, type Lease } from './lease.js';

/**
 * Undefined: there are none. Throws VFRING_ERR_VF_UNHEALTHY; VFRING_ERR_NO_SUCH_LEASE: the lease, or a VF of it, was taken away
 * meanwhile, and nothing is open.
 */
export async function openLease(lease: Lease, provider: Provider, isHeld: () => boolean): Promise<OpenedVfs | undefined> {
  const vfs = heldVfs(lease);
  const opened = await provider.open?.(vfs.map(({ vf }) => vf));
  if (!isHeld() || heldVfs(lease).length !== vfs.length) {
    opened?.close();
    throw new VfringError('VFRING_ERR_NO_SUCH_LEASE', { lease: lease.id });
  }
  return opened;
}
