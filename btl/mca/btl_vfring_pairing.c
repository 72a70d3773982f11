/* SPDX-License-Identifier: BSD-3-Clause */
/* Who reaches whom, by what both have published. */
#include "btl_vfring_pairing.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "btl_vfring_lease.h"
#include "wire_format.h"

/* Texts go to the user's terminal, names are compared: neither may hold anything else. */
static bool is_plain(char c)
{
    return c >= ' ' && c <= '~';
}

static bool is_plain_text(const char *text, size_t room)
{
    const char *end = memchr(text, '\0', room);

    for (; end && text < end; text++) {
        if (!is_plain(*text)) {
            return false;
        }
    }
    return end;
}

static bool well_formed(const struct btl_vfring_modex *m)
{
    return is_plain_text(m->vf, sizeof(m->vf)) && is_plain_text(m->host, sizeof(m->host)) && !(m->mac[0] & 1) && m->vlan <= 4094 && !m->reserved && m->mtu_bytes
        && (m->kind == BTL_VFRING_KIND_REAL || m->kind == BTL_VFRING_KIND_SOFT)
        && (!m->segment[0] || vfring_segment_valid(m->segment));
}

void btl_vfring_pairing_host(struct btl_vfring_modex *ours, const char *name)
{
    size_t length = 0;

    memset(ours->host, 0, sizeof(ours->host));
    for (; name && name[length] && length < sizeof(ours->host) - 1; length++) {
        ours->host[length] = name[length];
        if (!is_plain(name[length])) {
            ours->host[length] = '?';
        }
    }
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
    if (bytes != sizeof(*theirs)
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

#define REMEDY_VERSION "install one version of vfring on all nodes of the job"

struct btl_vfring_pairing_text btl_vfring_pairing_text(enum btl_vfring_pairing pairing)
{
    static const struct btl_vfring_pairing_text texts[] = {
        [BTL_VFRING_PAIR_NO_VF] = {"it has no VF",
                                   "see what the processes of its node said at their start, and the log of "
                                   "vfringd there"},
        [BTL_VFRING_PAIR_OTHER_VERSION] = {"it runs another version of vfring", REMEDY_VERSION},
        [BTL_VFRING_PAIR_MALFORMED] = {"what it tells of its VF is damaged", REMEDY_VERSION},
        [BTL_VFRING_PAIR_OTHER_KIND] = {"a soft VF and a real one do not reach each other",
                                        "give all processes VFs of one kind (provider: in vfringd's configuration)"},
        [BTL_VFRING_PAIR_OTHER_SEGMENT] = {"the VFs are on different segments",
                                           "place the job on nodes of one segment; of real VFs see segment: in vfringd's "
                                           "configuration, soft VFs reach those of their own folder"},
        [BTL_VFRING_PAIR_OTHER_VLAN] = {"the VFs are in different VLANs",
                                        "give the PFs of the job one vlan: in vfringd's configuration"},
        [BTL_VFRING_PAIR_OTHER_MTU] = {"the VFs have different MTUs",
                                       "give all PFs of the job one mtu: in vfringd's configuration, or set the MCA "
                                       "parameter btl_vfring_mtu for the whole job"},
    };

    return texts[pairing];
}

void btl_vfring_pairing_describe(const struct btl_vfring_modex *theirs, enum btl_vfring_pairing pairing,
                                 char *text, size_t room)
{
    char vlan[16] = "none";

    if (pairing == BTL_VFRING_PAIR_NO_VF || pairing == BTL_VFRING_PAIR_MALFORMED) {
        (void) snprintf(text, room, "VF not known");
        return;
    }
    if (pairing == BTL_VFRING_PAIR_OTHER_VERSION) {
        (void) snprintf(text, room, "VF not known; modex version %u, wire version %u, where this process has %u and %u",
                        theirs->version, theirs->wire, BTL_VFRING_MODEX_VERSION, VFRING_WIRE_VERSION);
        return;
    }
    if (theirs->vlan) {
        (void) snprintf(vlan, sizeof(vlan), "%u", theirs->vlan);
    }
    (void) snprintf(text, room, "VF %s (%s), segment %s, VLAN %s, MTU %u", theirs->vf,
                    theirs->kind == BTL_VFRING_KIND_SOFT ? "soft" : "real",
                    theirs->segment[0] ? theirs->segment : "not named", vlan, theirs->mtu_bytes);
}
