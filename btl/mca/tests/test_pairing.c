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
                                 .num_rails = 1,
                                 .id = 7,
                                 .key = 9,
                                 .host = "node0",
                                 .rails = {{.mac = {2, 0, 0, 0, 0, 1}, .mtu_bytes = 1500, .kind = kind, .vf = "vf0"}}};

    strcpy(m.rails[0].segment, segment);
    return m;
}

/* The process with @p id, and a soft VF on each of @p segments, a letter each; '-': it is not named. */
static struct btl_vfring_modex vfs(uint32_t id, const char *segments)
{
    struct btl_vfring_modex m = vf(BTL_VFRING_KIND_SOFT, "");

    m.id = id;
    m.num_rails = (uint8_t) strlen(segments);
    for (unsigned i = 0; i < m.num_rails; i++) {
        m.rails[i] = m.rails[0];
        m.rails[i].mac[4] = (uint8_t) id;
        m.rails[i].mac[5] = (uint8_t) i;
        m.rails[i].segment[0] = segments[i] == '-' ? '\0' : segments[i];
        m.rails[i].vf[2] = (char) ('0' + i);
    }
    return m;
}

static enum btl_vfring_pairing pair_lanes(const struct btl_vfring_modex *ours, const struct btl_vfring_modex *other,
                                          struct btl_vfring_lanes *lanes)
{
    const size_t bytes = BTL_VFRING_MODEX_BYTES(other->num_rails);
    struct btl_vfring_modex theirs;
    const enum btl_vfring_pairing pairing = btl_vfring_pairing(ours, other, bytes, &theirs, lanes);

    CHECK(pairing < BTL_VFRING_PAIR_NONE_NEEDED || !memcmp(&theirs, other, bytes));
    CHECK((pairing >= BTL_VFRING_PAIR_UNPROVEN) == (lanes->num > 0));
    return pairing;
}

static enum btl_vfring_pairing pair(const struct btl_vfring_modex *ours, const struct btl_vfring_modex *other)
{
    struct btl_vfring_lanes lanes;

    return pair_lanes(ours, other, &lanes);
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

    b.rails[0].vlan = 100;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_VLAN);
    a.rails[0].vlan = 100;
    check_both(a, b, BTL_VFRING_PAIR_REACHES);
    b.rails[0].mtu_bytes = 9000;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_MTU);
    b.rails[0].segment[0] = '\0';
    check_both(a, b, BTL_VFRING_PAIR_OTHER_MTU); /* known without any contact */
}

/*
 * Lanes of processes with VFs on @p a and @p b: @p want has a digit for each of a's rails, the number of b's; '-': none.
 * The same whoever looks, and whoever has the lower id.
 */
static void check_lanes(const char *a, const char *b, const char *want, enum btl_vfring_pairing pairing)
{
    for (uint32_t id = 1; id <= 3; id += 2) {
        const struct btl_vfring_modex one = vfs(id, a), other = vfs(2, b);
        char found[VFRING_WIRE_RAILS + 1] = "", back[VFRING_WIRE_RAILS + 1] = "";
        struct btl_vfring_lanes lanes;

        memset(found, '-', strlen(a));
        memset(back, '-', strlen(a));
        CHECK(pair_lanes(&one, &other, &lanes) == pairing);
        for (unsigned i = 0; i < lanes.num; i++) {
            CHECK(i == 0 || lanes.lane[i].ours > lanes.lane[i - 1].ours);
            found[lanes.lane[i].ours] = (char) ('0' + lanes.lane[i].theirs);
        }
        CHECK(pair_lanes(&other, &one, &lanes) == pairing);
        for (unsigned i = 0; i < lanes.num; i++) {
            back[lanes.lane[i].theirs] = (char) ('0' + lanes.lane[i].ours);
        }
        CHECK(!strcmp(found, want));
        CHECK(!strcmp(back, want));
    }
}

/* @p want has a digit for each lane: the bits of others to whose address its rail leads, too. The same whoever looks. */
static void check_also(const char *a, const char *b, const char *want)
{
    const struct btl_vfring_modex one = vfs(1, a), other = vfs(2, b);
    struct btl_vfring_lanes there, back;

    (void) pair_lanes(&one, &other, &there);
    (void) pair_lanes(&other, &one, &back);
    CHECK(there.num == strlen(want) && back.num == there.num);
    for (unsigned i = 0; i < there.num; i++) {
        CHECK(there.lane[i].also == (unsigned) (want[i] - '0') && back.lane[i].also == there.lane[i].also);
    }
}

static void rails(void)
{
    const enum btl_vfring_pairing reaches = BTL_VFRING_PAIR_REACHES, unproven = BTL_VFRING_PAIR_UNPROVEN;

    check_lanes("ab", "ab", "01", reaches);
    check_lanes("ab", "ba", "10", reaches);
    check_lanes("aa", "aa", "01", reaches);
    check_lanes("ab", "b", "-0", reaches); /* its only VF is not on our first rail's segment */
    check_lanes("ab", "bc", "-0", reaches);
    check_lanes("aab", "ab", "0-1", reaches);
    check_lanes("abcdefgh", "hgfedcba", "76543210", reaches);
    check_lanes("--", "--", "01", unproven);
    check_lanes("a-", "-a", "10", reaches); /* who is named with whom is named */
    check_lanes("a-", "ab", "01", reaches);
    check_lanes("-", "ab", "0", unproven);
    check_lanes("ab", "cd", "--", BTL_VFRING_PAIR_OTHER_SEGMENT);
    check_also("ab", "ab", "00");
    check_also("aa", "aa", "21");
    check_also("aab", "aab", "210");
    check_also("--", "--", "21");
    check_also("a", "aa", "0");
}

/* A frame is as long as a process's worst rail carries: that has to be one for both. */
static void mtus_of_rails(void)
{
    struct btl_vfring_modex a = vfs(1, "ab"), b = vfs(2, "ab");

    a.rails[1].mtu_bytes = 9000;
    CHECK(btl_vfring_modex_mtu(&a) == 1500);
    check_both(a, b, BTL_VFRING_PAIR_REACHES);
    a.rails[0].mtu_bytes = 9000;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_MTU);
}

/* Of all rails the one that is nearest to reach says why not. */
static void nearest_cause(void)
{
    struct btl_vfring_modex a = vfs(1, "ab"), b = vfs(2, "ca");

    b.rails[1].vlan = 7;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_VLAN);
    b.rails[1].kind = BTL_VFRING_KIND_REAL;
    check_both(a, b, BTL_VFRING_PAIR_OTHER_SEGMENT);
}

/* A process that needs no VF reaches nobody, and says so. */
static void none_needed(void)
{
    const struct btl_vfring_modex none = vfs(1, ""), some = vfs(2, "ab"), other = vfs(3, "");
    char text[64];

    check_both(none, some, BTL_VFRING_PAIR_NONE_NEEDED);
    check_both(none, other, BTL_VFRING_PAIR_NONE_NEEDED);
    btl_vfring_pairing_describe(&none, BTL_VFRING_PAIR_NONE_NEEDED, text, sizeof(text));
    CHECK(!strcmp(text, "no VF: its job needs none"));
    CHECK(strstr(btl_vfring_pairing_text(BTL_VFRING_PAIR_NONE_NEEDED).remedy, "btl_vfring_lease always"));
}

static void texts(void)
{
    const struct btl_vfring_modex m = vfs(1, "ab");
    char text[256], little[20];

    btl_vfring_modex_vfs(&m, text, sizeof(text));
    CHECK(!strcmp(text, "vf0+vf1"));
    btl_vfring_pairing_describe(&m, BTL_VFRING_PAIR_REACHES, text, sizeof(text));
    CHECK(!strcmp(text, "VF vf0 (soft), segment a, VLAN none, MTU 1500; VF vf1 (soft), segment b, VLAN none, MTU 1500"));
    for (size_t room = 1; room <= sizeof(little); room++) {
        memset(little, 'x', sizeof(little));
        btl_vfring_pairing_describe(&m, BTL_VFRING_PAIR_REACHES, little, room);
        CHECK(strlen(little) < room);
        btl_vfring_modex_vfs(&m, little, room);
        CHECK(strlen(little) < room);
    }
}

static void versions(void)
{
    const struct btl_vfring_modex ours = vf(BTL_VFRING_KIND_SOFT, "soft-1");
    struct btl_vfring_modex other = ours, theirs;
    struct btl_vfring_lanes lanes;
    const uint8_t two[80] = {2}; /* as version 2 was */

    CHECK(btl_vfring_pairing(&ours, NULL, 0, &theirs, &lanes) == BTL_VFRING_PAIR_NO_VF);
    CHECK(btl_vfring_pairing(&ours, &other, 0, &theirs, &lanes) == BTL_VFRING_PAIR_NO_VF);
    CHECK(btl_vfring_pairing(&ours, two, sizeof(two), &theirs, &lanes) == BTL_VFRING_PAIR_OTHER_VERSION);
    CHECK(theirs.version == 2 && theirs.wire == 2);
    other.wire++;
    CHECK(btl_vfring_pairing(&ours, &other, sizeof(other), &theirs, &lanes) == BTL_VFRING_PAIR_OTHER_VERSION);
    CHECK(theirs.wire == VFRING_WIRE_VERSION + 1);
    other = ours;
    other.version++;
    CHECK(btl_vfring_pairing(&ours, &other, sizeof(other) - 5, &theirs, &lanes) == BTL_VFRING_PAIR_OTHER_VERSION);
    CHECK(btl_vfring_pairing(&ours, &other, 1, &theirs, &lanes) == BTL_VFRING_PAIR_OTHER_VERSION);
}

#define CHECK_MALFORMED(statement)                                                         \
    do {                                                                                   \
        other = ours;                                                                      \
        statement;                                                                         \
        CHECK(btl_vfring_pairing(&ours, &other, BTL_VFRING_MODEX_BYTES(1u), &theirs, &lanes) \
              == BTL_VFRING_PAIR_MALFORMED);                                               \
    } while (0)

static void malformed(void)
{
    const struct btl_vfring_modex ours = vf(BTL_VFRING_KIND_SOFT, "soft-1");
    struct btl_vfring_modex other = ours, theirs;
    struct btl_vfring_lanes lanes;

    for (size_t bytes = 2; bytes <= sizeof(other); bytes++) {
        CHECK(bytes == BTL_VFRING_MODEX_BYTES(1u) || btl_vfring_pairing(&ours, &other, bytes, &theirs, &lanes) == BTL_VFRING_PAIR_MALFORMED);
    }
    CHECK_MALFORMED(other.rails[0].mac[0] = 1);
    CHECK_MALFORMED(other.rails[0].kind = 0);
    CHECK_MALFORMED(other.rails[0].kind = 3);
    CHECK_MALFORMED(other.rails[0].vlan = 4095);
    CHECK_MALFORMED(other.rails[0].mtu_bytes = 0);
    CHECK_MALFORMED(other.reserved = 1);
    CHECK_MALFORMED(other.rails[0].reserved[0] = 1);
    CHECK_MALFORMED(other.rails[0].reserved[2] = 1);
    CHECK_MALFORMED(other.num_rails = 0);
    CHECK_MALFORMED(other.num_rails = 2);
    CHECK_MALFORMED(other.num_rails = VFRING_WIRE_RAILS + 1);
    CHECK_MALFORMED(strcpy(other.rails[0].segment, "two words"));
    CHECK_MALFORMED(strcpy(other.rails[0].vf, "\033[2J"));
    CHECK_MALFORMED(strcpy(other.host, "node\033[2J"));
    CHECK_MALFORMED(strcpy(other.host, "two\nlines"));
    CHECK_MALFORMED(other.host[0] = (char) 0x9b);
    CHECK_MALFORMED(memset(other.host, 'a', sizeof(other.host)));
    CHECK_MALFORMED(memset(other.rails[0].segment, 'a', sizeof(other.rails[0].segment)));
    CHECK_MALFORMED(memset(other.rails[0].vf, 'a', sizeof(other.rails[0].vf)));
    other = vfs(3, "ab"); /* two rails of one address */
    memcpy(other.rails[1].mac, other.rails[0].mac, 6);
    CHECK(btl_vfring_pairing(&ours, &other, BTL_VFRING_MODEX_BYTES(2u), &theirs, &lanes) == BTL_VFRING_PAIR_MALFORMED);
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
    rails();
    mtus_of_rails();
    nearest_cause();
    none_needed();
    texts();
    versions();
    malformed();
    return 0;
}
