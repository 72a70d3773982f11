/* SPDX-License-Identifier: BSD-3-Clause */
/* Who reaches whom, by what both say of their VFs; nothing of which is trusted. */
#include "btl_vfring_pairing.h"
#include "check.h"
#include "wire_format.h"

#include <string.h>

static struct btl_vfring_modex vf(uint8_t kind, const char *segment)
{
    struct btl_vfring_modex m = {.version = BTL_VFRING_MODEX_VERSION,
                                 .wire = VFRING_WIRE_VERSION,
                                 .mac = {2, 0, 0, 0, 0, 1},
                                 .id = 7,
                                 .key = 9,
                                 .mtu_bytes = 1500,
                                 .kind = kind,
                                 .vf = "vf0",
                                 .host = "node0"};

    strcpy(m.segment, segment);
    return m;
}

static enum btl_vfring_pairing pair(const struct btl_vfring_modex *ours, const struct btl_vfring_modex *other)
{
    struct btl_vfring_modex theirs;
    const enum btl_vfring_pairing pairing = btl_vfring_pairing(ours, other, sizeof(*other), &theirs);

    CHECK(pairing < BTL_VFRING_PAIR_OTHER_KIND || !memcmp(&theirs, other, sizeof(theirs)));
    return pairing;
}

static void check_both(struct btl_vfring_modex a, struct btl_vfring_modex b, enum btl_vfring_pairing want)
{
    CHECK(pair(&a, &b) == want);
    CHECK(pair(&b, &a) == want);
}

static void segments(void)
{
    const uint8_t soft = BTL_VFRING_KIND_SOFT, real = BTL_VFRING_KIND_REAL;

    check_both(vf(soft, "soft-1"), vf(soft, "soft-1"), BTL_VFRING_PAIR_REACHES);
    check_both(vf(soft, "soft-1"), vf(soft, "soft-2"), BTL_VFRING_PAIR_OTHER_SEGMENT);
    check_both(vf(real, "a"), vf(real, "a"), BTL_VFRING_PAIR_REACHES);
    check_both(vf(real, "a"), vf(real, "b"), BTL_VFRING_PAIR_OTHER_SEGMENT);
    check_both(vf(real, "a"), vf(real, ""), BTL_VFRING_PAIR_UNPROVEN);
    check_both(vf(real, ""), vf(real, ""), BTL_VFRING_PAIR_UNPROVEN);
    check_both(vf(real, "a"), vf(soft, "a"), BTL_VFRING_PAIR_OTHER_KIND);
    check_both(vf(real, ""), vf(soft, "soft-1"), BTL_VFRING_PAIR_OTHER_KIND);
}

static void vlans_and_mtus(void)
{
    struct btl_vfring_modex a = vf(BTL_VFRING_KIND_REAL, "a"), b = a;

    b.vlan = 100;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_VLAN);
    a.vlan = 100;
    check_both(a, b, BTL_VFRING_PAIR_REACHES);
    b.mtu_bytes = 9000;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_MTU);
    b.segment[0] = '\0';
    check_both(a, b, BTL_VFRING_PAIR_OTHER_MTU); /* known without any contact */
}

static void versions(void)
{
    const struct btl_vfring_modex ours = vf(BTL_VFRING_KIND_SOFT, "soft-1");
    struct btl_vfring_modex other = ours, theirs;
    const uint8_t two[80] = {2}; /* as version 2 was */

    CHECK(btl_vfring_pairing(&ours, NULL, 0, &theirs) == BTL_VFRING_PAIR_NO_VF);
    CHECK(btl_vfring_pairing(&ours, &other, 0, &theirs) == BTL_VFRING_PAIR_NO_VF);
    CHECK(btl_vfring_pairing(&ours, two, sizeof(two), &theirs) == BTL_VFRING_PAIR_OTHER_VERSION);
    CHECK(theirs.version == 2 && theirs.wire == 2);
    other.wire++;
    CHECK(btl_vfring_pairing(&ours, &other, sizeof(other), &theirs) == BTL_VFRING_PAIR_OTHER_VERSION);
    CHECK(theirs.wire == VFRING_WIRE_VERSION + 1);
    other = ours;
    other.version++;
    CHECK(btl_vfring_pairing(&ours, &other, sizeof(other) - 5, &theirs) == BTL_VFRING_PAIR_OTHER_VERSION);
    CHECK(btl_vfring_pairing(&ours, &other, 1, &theirs) == BTL_VFRING_PAIR_OTHER_VERSION);
}

#define CHECK_MALFORMED(statement)                                                         \
    do {                                                                                   \
        other = ours;                                                                      \
        statement;                                                                         \
        CHECK(btl_vfring_pairing(&ours, &other, sizeof(other), &theirs) == BTL_VFRING_PAIR_MALFORMED); \
    } while (0)

static void malformed(void)
{
    const struct btl_vfring_modex ours = vf(BTL_VFRING_KIND_SOFT, "soft-1");
    struct btl_vfring_modex other = ours, theirs;

    for (size_t bytes = 2; bytes < sizeof(other); bytes++) {
        CHECK(btl_vfring_pairing(&ours, &other, bytes, &theirs) == BTL_VFRING_PAIR_MALFORMED);
    }
    CHECK_MALFORMED(other.mac[0] = 1);
    CHECK_MALFORMED(other.kind = 0);
    CHECK_MALFORMED(other.kind = 3);
    CHECK_MALFORMED(other.vlan = 4095);
    CHECK_MALFORMED(other.mtu_bytes = 0);
    CHECK_MALFORMED(other.reserved = 1);
    CHECK_MALFORMED(strcpy(other.segment, "two words"));
    CHECK_MALFORMED(strcpy(other.vf, "\033[2J"));
    CHECK_MALFORMED(strcpy(other.host, "node\033[2J"));
    CHECK_MALFORMED(strcpy(other.host, "two\nlines"));
    CHECK_MALFORMED(other.host[0] = (char) 0x9b);
    CHECK_MALFORMED(memset(other.host, 'a', sizeof(other.host)));
    CHECK_MALFORMED(memset(other.segment, 'a', sizeof(other.segment)));
    CHECK_MALFORMED(memset(other.vf, 'a', sizeof(other.vf)));
}

/* Whatever our own host is called, others take what we publish. */
static void hosts(void)
{
    struct btl_vfring_modex ours = vf(BTL_VFRING_KIND_SOFT, "soft-1");
    char longer[300];

    btl_vfring_pairing_host(&ours, NULL);
    CHECK(!ours.host[0]);
    CHECK(pair(&ours, &ours) == BTL_VFRING_PAIR_REACHES);
    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    btl_vfring_pairing_host(&ours, longer);
    CHECK(strlen(ours.host) == sizeof(ours.host) - 1);
    CHECK(pair(&ours, &ours) == BTL_VFRING_PAIR_REACHES);
    btl_vfring_pairing_host(&ours, "no\nde\x9b");
    CHECK(!strcmp(ours.host, "no?de?"));
    for (size_t i = strlen(ours.host); i < sizeof(ours.host); i++) {
        CHECK(!ours.host[i]); /* nothing of the longer name is left */
    }
    CHECK(pair(&ours, &ours) == BTL_VFRING_PAIR_REACHES);
}

int main(void)
{
    hosts();
    segments();
    vlans_and_mtus();
    versions();
    malformed();
    return 0;
}
