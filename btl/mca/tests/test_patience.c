/* SPDX-License-Identifier: BSD-3-Clause */
/* What is waited for in vain is so once, however many it concerns. Time is simulated. */
#include "btl_vfring_patience.h"

#include "check.h"

enum { LIMIT_NS = 100000000, LOOK_NS = 1000 };

static struct btl_vfring_patience patience;
static uint64_t now_ns = 5000000000u;

/* @p num wait, one after the other. @return how long in all. */
static uint64_t wait_in_vain(int num)
{
    const uint64_t begin_ns = now_ns;

    for (int i = 0; i < num; i++) {
        while (btl_vfring_patience(&patience, LIMIT_NS, now_ns)) {
            now_ns += LOOK_NS;
        }
        now_ns += LOOK_NS;
    }
    return now_ns - begin_ns;
}

int main(void)
{
    const uint64_t alone_ns = wait_in_vain(1);
    uint64_t many_ns;

    CHECK(alone_ns >= LIMIT_NS && alone_ns <= LIMIT_NS + 2 * LOOK_NS);
    many_ns = wait_in_vain(1000); /* at once after the other one */
    CHECK(many_ns == 1000 * LOOK_NS);
    now_ns += 60000000000u;
    CHECK(wait_in_vain(1000) <= LIMIT_NS + 1001 * LOOK_NS);
    /* Who comes later, when there may be room again, waits again. */
    now_ns += 60000000000u;
    CHECK(wait_in_vain(1) == alone_ns);
    return 0;
}
