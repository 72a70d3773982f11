/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Progress from inside of progress. What is up the stack has nothing in its hands that is needed here: the wire hands a frame up as
 * its last step, and has put down what else is to be handed up in that turn; the VF puts down how far it is in its ring, and
 * gives its descriptor another buffer; and lines are taken from one by one. So all that progress does is done
 * here, too, and whoever is up the stack goes on with what has been left.
 *
 * Frames of a peer are handed up in their order, but the next ones before the call with the first has returned: who
 * waits in it wants just that.
 */
#include "btl_vfring_inside.h"

#include "btl_vfring_hot.h"

int btl_vfring_inside_progress(mca_btl_vfring_module_t *module)
{
    unsigned count;
    bool full;

    if (module->unsettled) {
        return 0;
    }
    if (module->inside == BTL_VFRING_INSIDE_MAX) {
        btl_vfring_help_too_deep(module->rails.names, BTL_VFRING_INSIDE_MAX);
        return 0;
    }
    module->inside++;
    module->rx_now_ns = 0;
    if (module->told_head || module->telling) {
        btl_vfring_upcall_sent(module);
    }
    vfring_wire_input_rest(module->wire);
    count = btl_vfring_hot_rx_rails(module, vfring_vf_rx_each_inside, &full);
    btl_vfring_hot_go_on(module, count, full, btl_vfring_hot_rx_entries, opal_using_threads());
    if (module->rails.others) {
        btl_vfring_aside_look_seldom(module, module->rx_now_ns);
    }
    btl_vfring_rails_doorbells(&module->rails);
    module->rx_now_ns = 0; /* whoever goes on has an older time in mind */
    module->inside--;
    return (int) count;
}
