/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A rail: one VF at work, with its rings, the memory that it may read for us, and
 * how it got here and goes back. Knows no peer and no message: these are the
 * module's, which may have several rails one day.
 */
#ifndef BTL_VFRING_RAIL_H
#define BTL_VFRING_RAIL_H

#include "btl_vfring_help.h"
#include "btl_vfring_lease.h"
#include "vfring_reg_cache.h"
#include "vfring_vf.h"
#include "vfring_vf_hot.h"
#include "vfring_wire.h"

/** Acknowledgement frames under way at most; each has a slot of 64 bytes. */
#define BTL_VFRING_CONTROL_FRAMES 64u
#define BTL_VFRING_CONTROL_SLOT_BYTES ((VFRING_WIRE_CONTROL_BYTES + 63u) & ~63u)

struct btl_vfring_rail {
    struct vfring_vf *vf;
    struct vfring_vf_rings rings; /**< the VF's, for the path */
    struct vfring_reg_cache *reg_cache; /**< user memory that it may read; NULL: everything is copied */
    struct vfring_dma slots; /**< memory of the fragments' slots */
    struct vfring_dma control_slots;
    struct vfring_wire_frame control_frames[BTL_VFRING_CONTROL_FRAMES]; /**< with a slot each, for the wire */
    struct vfring_vf_info info;
    struct vfring_lease lease; /**< id empty: the device was named by hand */

    /* Its link, as far as somebody has looked. */
    bool link_was_down;
    uint64_t link_since_ns, link_seen_ns; /**< first and last look that found it down without a long gap */
    uint64_t link_downs;
};

/**
 * Leases, or finds by name, this process's VF and opens it, with its
 * registration cache. OPAL_SUCCESS, or the user was told. To be closed in any case.
 */
int btl_vfring_rail_open(struct btl_vfring_rail *rail);
/** Memory for @p num slots of @p bytes each, and for acknowledgements. 0, or negative errno and @p error is filled. */
int btl_vfring_rail_slots(struct btl_vfring_rail *rail, uint32_t num, uint32_t bytes, struct vfring_vf_error *error);
/** From here on the VF reads nothing: slots and registered memory may go. Harmless for one that is not open. */
void btl_vfring_rail_stop(struct btl_vfring_rail *rail);
/** Closes the VF, and gives it back with @p report. */
void btl_vfring_rail_close(struct btl_vfring_rail *rail, const struct vfring_lease_report *report);

/** Name and state of the VF, for messages. */
struct btl_vfring_help_here btl_vfring_rail_here(const struct btl_vfring_rail *rail);
/**
 * A look found the link @p down, or not. For how many ns has it been, as far as looks without long gaps
 * between them tell; 0: it is up.
 */
uint64_t btl_vfring_rail_link_looked(struct btl_vfring_rail *rail, bool down, uint64_t now_ns);

#endif /* BTL_VFRING_RAIL_H */
