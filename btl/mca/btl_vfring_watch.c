/* SPDX-License-Identifier: BSD-3-Clause */
/* Is it the VF? */
#include "btl_vfring_watch.h"

#include "btl_vfring_aside.h"
#include "btl_vfring_clock.h"
#include "btl_vfring_contact.h"
#include "btl_vfring_params.h"
#include "btl_vfring_unsaid.h"
#include "btl_vfring_upcall.h"

#include <errno.h>

/*
 * Is the link gone for good, and not only for a moment? Counted is a time in which
 * we have looked again and again, so that it was not up in between; and only
 * where the job speaks over vfring at all.
 */
static void watch_link(mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail, bool down)
{
    const struct vfring_wire_stats *stats = vfring_wire_stats(module->wire);
    const uint64_t down_ns = btl_vfring_rail_link_looked(rail, down, btl_vfring_now_ns());
    const uint64_t limit_s = btl_vfring_params.link_timeout_s;
    const char *held;
    char cause[256];

    if (!down || !limit_s || down_ns < limit_s * 1000000000u || !(stats->tx_data_frames | stats->rx_data_frames)) {
        return;
    }
    held = vfring_vf_cause(rail->vf);
    if (held) {
        (void) snprintf(cause, sizeof(cause), "the kernel has held the VF for %u s: %s", (unsigned) limit_s, held);
    } else {
        (void) snprintf(cause, sizeof(cause),
                        "the VF has had no link for %u s (btl_vfring_link_timeout): is the cable out, the switch "
                        "off or the PF set down?", (unsigned) limit_s);
    }
    btl_vfring_upcall_lost_once(module, NULL, cause);
}

/* A link that is down may come back, a VF that is gone does not. One that was reset is set up anew: btl_vfring_aside_look(). */
static void watch_rail(mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail)
{
    const int state = vfring_vf_check(rail->vf);
    const char *cause;

    watch_link(module, rail, state == -ENETDOWN);
    if (state == -ENETRESET) {
        btl_vfring_aside_look(module, btl_vfring_now_ns());
    } else if (state == -ENODEV) {
        cause = vfring_vf_cause(rail->vf);
        btl_vfring_upcall_lost_once(module, NULL, cause ? cause : "the VF was unbound from uio_vf or removed");
    }
}

void btl_vfring_watch(mca_btl_vfring_module_t *module)
{
    btl_vfring_clock_check(); /* frames that stay unanswered may be a clock that is fast */
    if (module->rails.others || module->rails.rail[0].down || module->rails_untold) {
        btl_vfring_aside_look(module, btl_vfring_now_ns());
    }
    /* What is the only one, or the last. */
    for (uint32_t i = 0; i < module->rails.num && btl_vfring_rails_up(&module->rails) == 1; i++) {
        if (!module->rails.rail[i].down) {
            watch_rail(module, &module->rails.rail[i]);
        }
    }
    btl_vfring_contact_check(module);
    btl_vfring_unsaid_look(module);
    module->timeouts_seen = vfring_wire_stats(module->wire)->timeouts;
}
