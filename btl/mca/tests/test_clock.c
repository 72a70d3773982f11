/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock keeps the kernel's time, also after a measurement that took longer
 * than 2^32 ns, as when a VF is waited for. However late this program gets its turn:
 * what the clock says lies between two readings of the kernel's.
 */
#include "btl_vfring_clock.h"
#include "check.h"

#include <unistd.h>

int main(void)
{
    uint64_t start_ns;

    btl_vfring_clock_begin();
    (void) usleep(4400000);
    btl_vfring_clock_end();
    start_ns = btl_vfring_kernel_ns();
    for (int i = 0; i < 5; i++) {
        const uint64_t before_ns = btl_vfring_kernel_ns(), ns = btl_vfring_now_ns();
        const uint64_t after_ns = btl_vfring_kernel_ns();
        /* What the measurement may be wrong by, and what has become of that since. */
        const uint64_t off_ns = 1000000 + (after_ns - start_ns) / 1000;

        CHECK(ns + off_ns >= before_ns);
        CHECK(ns <= after_ns + off_ns);
        (void) usleep(50000);
    }
    return 0;
}
