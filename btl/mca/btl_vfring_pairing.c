/* SPDX-License-Identifier: BSD-3-Clause */
/* Who reaches whom, by what both have published. */
#include "btl_vfring_pairing.h"

#include <stdbool.h>
#include <string.h>

#include "btl_vfring_lease.h"
#include "wire_format.h"

/* Texts go to the user's terminal, names are compared: neither may hold anything else. */
static bool well_formed(const struct btl_vfring_modex *m)
{
    for (const char *c = m->vf; *c; c++) {
        if (*c < ' ' || *c > '~') {
            return false;
        }
    }
    return !(m->mac[0] & 1) && m->vlan <= 4094 && !m->reserved && m->mtu_bytes
        && (m->kind == BTL_VFRING_KIND_REAL || m->kind == BTL_VFRING_KIND_SOFT)
        && (!m->segment[0] || vfring_segment_valid(m->segment));
}

enum btl_vfring_pairing btl_vfring_pairing(const struct btl_vfring_modex *ours, const void *blob,
                                           size_t bytes, struct btl_vfring_modex *theirs)
{
    bool named;

    memset(theirs, 0, sizeof(*theirs));
    if (!blob || !bytes) {
        return BTL_VFRING_PAIR_NO_VF;
    }
    memcpy(theirs, blob, bytes < sizeof(*theirs) ? bytes : sizeof(*theirs));
    if (theirs->version < BTL_VFRING_MODEX_VERSION) {
        theirs->wire = theirs->version; /* they had one number */
    }
    if (theirs->version != BTL_VFRING_MODEX_VERSION || theirs->wire != VFRING_WIRE_VERSION) {
        return BTL_VFRING_PAIR_OTHER_VERSION;
    }
    if (bytes != sizeof(*theirs) || theirs->vf[sizeof(theirs->vf) - 1]
        || theirs->segment[sizeof(theirs->segment) - 1] || !well_formed(theirs)) {
        return BTL_VFRING_PAIR_MALFORMED;
    }
    if (theirs->kind != ours->kind) {
        return BTL_VFRING_PAIR_OTHER_KIND;
    }
    named = theirs->segment[0] && ours->segment[0];
    if (named && strcmp(theirs->segment, ours->segment)) {
        return BTL_VFRING_PAIR_OTHER_SEGMENT;
    }
    if (theirs->vlan != ours->vlan) {
        return BTL_VFRING_PAIR_OTHER_VLAN;
    }
    if (theirs->mtu_bytes != ours->mtu_bytes) {
        return BTL_VFRING_PAIR_OTHER_MTU;
    }
    return named ? BTL_VFRING_PAIR_REACHES : BTL_VFRING_PAIR_UNPROVEN;
}
