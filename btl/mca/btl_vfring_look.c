/* SPDX-License-Identifier: BSD-3-Clause */
/* Acknowledgements that wait in the RX ring. */
#include "btl_vfring_look.h"

#include "btl_vfring_clock.h"

struct turn {
    struct vfring_wire *wire;
    uint64_t now_ns;
};

static void look_at(void *ctx, const void *data, uint32_t bytes)
{
    const struct turn *turn = ctx;

    vfring_wire_look(turn->wire, data, bytes, turn->now_ns);
}

void btl_vfring_look(mca_btl_vfring_module_t *module)
{
    struct turn turn = {.wire = module->wire, .now_ns = btl_vfring_now_ns()};
    module->looking = true;
    for (uint32_t i = 0; i < module->rails.num; i++) {
        if (!module->rails.rail[i].down) {
            vfring_vf_rx_look(module->rails.rail[i].vf, look_at, &turn);
        }
    }
    module->looking = false;
}

void btl_vfring_window_closed(void *ctx)
{
    mca_btl_vfring_module_t *module = ctx;

    if (!module->in_progress && !module->looking && !module->tending) {
        btl_vfring_look(module);
    }
}
