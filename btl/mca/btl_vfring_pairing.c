/* SPDX-License-Identifier: BSD-3-Clause */
/* Who reaches whom, by what both have published. */
#include "btl_vfring_pairing.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "btl_vfring_lease_protocol.h"

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

static bool well_formed_rail(const struct btl_vfring_modex_rail *r)
{
    if (!is_plain_text(r->vf, sizeof(r->vf)) || r->segment[sizeof(r->segment) - 1]) {
        return false;
    }
    return !(r->mac[0] & 1) && r->vlan <= 4094 && !r->reserved[0] && !r->reserved[1] && !r->reserved[2] && r->mtu_bytes
        && (r->kind == BTL_VFRING_KIND_REAL || r->kind == BTL_VFRING_KIND_SOFT)
        && (!r->segment[0] || vfring_segment_valid(r->segment));
}

/* @p bytes have come. */
static bool well_formed(const struct btl_vfring_modex *m, size_t bytes)
{
    if (bytes < BTL_VFRING_MODEX_BYTES(0u) || m->reserved || m->num_rails > VFRING_WIRE_RAILS
        || bytes != BTL_VFRING_MODEX_BYTES(m->num_rails) || !is_plain_text(m->host, sizeof(m->host))) {
        return false;
    }
    for (unsigned i = 0; i < m->num_rails; i++) {
        if (!well_formed_rail(&m->rails[i])) {
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (!memcmp(m->rails[i].mac, m->rails[j].mac, 6)) {
                return false; /* an address tells by which way a frame came */
            }
        }
    }
    return true;
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

static enum btl_vfring_pairing pair_rails(const struct btl_vfring_modex_rail *a, const struct btl_vfring_modex_rail *b)
{
    const bool named = a->segment[0] && b->segment[0];

    if (a->kind != b->kind) {
        return BTL_VFRING_PAIR_OTHER_KIND;
    }
    if (named && strcmp(a->segment, b->segment)) {
        return BTL_VFRING_PAIR_OTHER_SEGMENT;
    }
    if (a->vlan != b->vlan) {
        return BTL_VFRING_PAIR_OTHER_VLAN;
    }
    return named ? BTL_VFRING_PAIR_REACHES : BTL_VFRING_PAIR_UNPROVEN;
}

uint32_t btl_vfring_modex_mtu(const struct btl_vfring_modex *modex)
{
    uint32_t mtu_bytes = modex->rails[0].mtu_bytes;

    for (unsigned i = 1; i < modex->num_rails; i++) {
        mtu_bytes = modex->rails[i].mtu_bytes < mtu_bytes ? modex->rails[i].mtu_bytes : mtu_bytes;
    }
    return mtu_bytes;
}

/* Both processes have to look at the pairs in one order. */
static bool goes_first(const struct btl_vfring_modex *a, const struct btl_vfring_modex *b)
{
    return a->id != b->id ? a->id < b->id : memcmp(a->rails[0].mac, b->rails[0].mac, 6) < 0;
}

/* The rail of @p other, of those not in @p used, to which @p rail goes with @p wanted; rather the one at @p like. num_rails: none. */
static unsigned partner(const struct btl_vfring_modex_rail *rail, const struct btl_vfring_modex *other, uint32_t used,
                        unsigned like, enum btl_vfring_pairing wanted)
{
    unsigned found = other->num_rails;

    for (unsigned i = 0; i < other->num_rails; i++) {
        if (!(used >> i & 1) && pair_rails(rail, &other->rails[i]) == wanted
            && (found == other->num_rails || i == like)) {
            found = i;
        }
    }
    return found;
}

/* Which rail of @p second each rail of @p first goes to, VFRING_WIRE_RAILS: none. */
static void pair_all(const struct btl_vfring_modex *first, const struct btl_vfring_modex *second,
                     unsigned to[VFRING_WIRE_RAILS])
{
    static const enum btl_vfring_pairing wanted[] = {BTL_VFRING_PAIR_REACHES, BTL_VFRING_PAIR_UNPROVEN};
    uint32_t used = 0;

    for (unsigned i = 0; i < VFRING_WIRE_RAILS; i++) {
        to[i] = VFRING_WIRE_RAILS;
    }
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < first->num_rails; i++) {
            const unsigned found = to[i] < VFRING_WIRE_RAILS
                                       ? second->num_rails
                                       : partner(&first->rails[i], second, used, i, wanted[pass]);

            if (found < second->num_rails) {
                to[i] = found;
                used |= 1u << found;
            }
        }
    }
}

static void find_lanes(const struct btl_vfring_modex *ours, const struct btl_vfring_modex *theirs,
                       struct btl_vfring_lanes *lanes)
{
    const bool we_first = goes_first(ours, theirs);
    unsigned to[VFRING_WIRE_RAILS];

    memset(lanes, 0, sizeof(*lanes));
    pair_all(we_first ? ours : theirs, we_first ? theirs : ours, to);
    for (unsigned i = 0; i < ours->num_rails; i++) {
        for (unsigned j = 0; j < theirs->num_rails; j++) {
            if (we_first ? to[i] == j : to[j] == i) {
                lanes->lane[lanes->num++] = (struct btl_vfring_lane){.ours = (uint8_t) i, .theirs = (uint8_t) j};
            }
        }
    }
    for (unsigned i = 0; i < lanes->num; i++) {
        for (unsigned j = 0; j < lanes->num; j++) {
            if (i != j && pair_rails(&ours->rails[lanes->lane[i].ours], &theirs->rails[lanes->lane[j].theirs]) >= BTL_VFRING_PAIR_UNPROVEN) {
                lanes->lane[i].also |= (uint8_t) (1u << j);
            }
        }
    }
}

enum btl_vfring_pairing btl_vfring_pairing(const struct btl_vfring_modex *ours, const void *blob,
                                           size_t bytes, struct btl_vfring_modex *theirs, struct btl_vfring_lanes *lanes)
{
    enum btl_vfring_pairing best = BTL_VFRING_PAIR_OTHER_KIND;

    memset(theirs, 0, sizeof(*theirs));
    memset(lanes, 0, sizeof(*lanes));
    if (!blob || !bytes) {
        return BTL_VFRING_PAIR_NO_VF;
    }
    memcpy(theirs, blob, bytes < sizeof(*theirs) ? bytes : sizeof(*theirs));
    if (theirs->version < 3) {
        theirs->wire = theirs->version; /* they had one number */
    }
    if (theirs->version != BTL_VFRING_MODEX_VERSION || theirs->wire != VFRING_WIRE_VERSION) {
        return BTL_VFRING_PAIR_OTHER_VERSION;
    }
    if (!well_formed(theirs, bytes)) {
        return BTL_VFRING_PAIR_MALFORMED;
    }
    if (!ours->num_rails || !theirs->num_rails) {
        return BTL_VFRING_PAIR_NONE_NEEDED;
    }
    for (unsigned i = 0; i < ours->num_rails; i++) {
        for (unsigned j = 0; j < theirs->num_rails; j++) {
            const enum btl_vfring_pairing pairing = pair_rails(&ours->rails[i], &theirs->rails[j]);

            best = pairing > best ? pairing : best;
        }
    }
    if (best >= BTL_VFRING_PAIR_UNPROVEN && btl_vfring_modex_mtu(ours) != btl_vfring_modex_mtu(theirs)) {
        return BTL_VFRING_PAIR_OTHER_MTU;
    }
    if (best >= BTL_VFRING_PAIR_UNPROVEN) {
        find_lanes(ours, theirs, lanes);
    }
    return best;
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
        [BTL_VFRING_PAIR_NONE_NEEDED] = {"no VF was leased by a job on one node, which was to share memory",
                                         "give that job the MCA parameter btl_vfring_lease always"},
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

void btl_vfring_modex_vfs(const struct btl_vfring_modex *modex, char *text, size_t room)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < modex->num_rails && used < room; i++) {
        used += (size_t) snprintf(text + used, room - used, "%s%s", i ? "+" : "", modex->rails[i].vf);
    }
}

static size_t describe_rail(const struct btl_vfring_modex_rail *rail, char *text, size_t room)
{
    char vlan[16] = "none";

    if (rail->vlan) {
        (void) snprintf(vlan, sizeof(vlan), "%u", rail->vlan);
    }
    return (size_t) snprintf(text, room, "VF %s (%s), segment %s, VLAN %s, MTU %u", rail->vf,
                             rail->kind == BTL_VFRING_KIND_SOFT ? "soft" : "real",
                             rail->segment[0] ? rail->segment : "not named", vlan, rail->mtu_bytes);
}

void btl_vfring_pairing_describe(const struct btl_vfring_modex *theirs, enum btl_vfring_pairing pairing,
                                 char *text, size_t room)
{
    size_t used = 0;

    if (pairing == BTL_VFRING_PAIR_NO_VF || pairing == BTL_VFRING_PAIR_MALFORMED) {
        (void) snprintf(text, room, "VF not known");
        return;
    }
    if (pairing == BTL_VFRING_PAIR_OTHER_VERSION) {
        (void) snprintf(text, room, "VF not known; modex version %u, wire version %u, where this process has %u and %u",
                        theirs->version, theirs->wire, BTL_VFRING_MODEX_VERSION, VFRING_WIRE_VERSION);
        return;
    }
    if (!theirs->num_rails) {
        (void) snprintf(text, room, "no VF: its job needs none");
    }
    for (unsigned i = 0; i < theirs->num_rails && used < room; i++) {
        used += i ? (size_t) snprintf(text + used, room - used, "; ") : 0;
        used += used < room ? describe_rail(&theirs->rails[i], text + used, room - used) : 0;
    }
}
