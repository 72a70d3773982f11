/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * All rails of a process, and the memory that their VFs may read for it. That is
 * registered once for all of them, as far as the kernel can (vfring_space.h).
 */
#ifndef BTL_VFRING_RAILS_H
#define BTL_VFRING_RAILS_H

#include "btl_vfring_help.h"
#include "btl_vfring_rail.h"
#include "vfring_reg_cache.h"
#include "vfring_wire.h"

/** Acknowledgement frames under way at most; each has a slot of 64 bytes. */
#define BTL_VFRING_CONTROL_FRAMES 64u
#define BTL_VFRING_CONTROL_SLOT_BYTES ((VFRING_WIRE_CONTROL_BYTES + 63u) & ~63u)

struct btl_vfring_rails {
    uint32_t others; /**< beside the first; 0: what every message runs through knows of one alone */
    uint32_t num;
    struct vfring_lease lease; /**< of all of them; id empty: they were named by hand */
    struct btl_vfring_rail rail[VFRING_WIRE_RAILS];
    struct vfring_space *space;
    struct vfring_reg_cache *reg_cache; /**< user memory; NULL: everything is copied */
    struct vfring_space_region *slots;  /**< of acknowledgements, then of the fragments */
    struct vfring_wire_frame control_frames[BTL_VFRING_CONTROL_FRAMES]; /**< with a slot each, for the wire */
    char names[128];                    /**< of the VFs, "vf0+vf1", for messages */
};

/**
 * Leases, or finds by name, this process's VFs and opens them, with a
 * registration cache. OPAL_SUCCESS, or the user was told. To be closed in any case.
 */
int btl_vfring_rails_open(struct btl_vfring_rails *rails);
/**
 * Memory for @p num slots of @p bytes each, at *@p vaddr and *@p iova, and for acknowledgements. 0, or negative errno and
 * @p error is filled.
 */
int btl_vfring_rails_slots(struct btl_vfring_rails *rails, uint32_t num, uint32_t bytes, void **vaddr, uint64_t *iova,
                           struct vfring_vf_error *error);
/** The address of @p vaddr, which is in the slots, for the VF of @p rail. */
static inline uint64_t btl_vfring_rails_iova(const struct btl_vfring_rails *rails, const struct btl_vfring_rail *rail,
                                             const void *vaddr)
{
    return rail->slots_iova + (uint64_t) ((const char *) vaddr - (const char *) rails->slots->vaddr);
}
/** How many of them are not set aside. */
uint32_t btl_vfring_rails_up(const struct btl_vfring_rails *rails);
/** A rail whose VF was stopped: set up anew, or where it is one of several and @p may_close it opened anew. As btl_vfring_rail_revive(). */
int btl_vfring_rails_revive(struct btl_vfring_rails *rails, struct btl_vfring_rail *rail, bool may_close);
/** Whatever was posted on any of them, its VF is to send. */
void btl_vfring_rails_doorbells(const struct btl_vfring_rails *rails);
/** From here on no VF reads anything: slots and registered memory may go. Harmless for what is not open. */
void btl_vfring_rails_stop(struct btl_vfring_rails *rails);
/** What they themselves know of each leased VF, into @p report. */
void btl_vfring_rails_report(const struct btl_vfring_rails *rails, struct vfring_lease_report *report);
/** Closes the VFs, and gives them back with @p report. */
void btl_vfring_rails_close(struct btl_vfring_rails *rails, struct vfring_lease_report *report);

/** Layer-2 payload of the longest frame that all of them carry. */
uint32_t btl_vfring_rails_mtu(const struct btl_vfring_rails *rails);
/** Descriptors of the smallest RX ring. */
uint32_t btl_vfring_rails_rx_entries(const struct btl_vfring_rails *rails);
/** Bytes registered now: rings and buffers of each VF, slots, user memory. */
size_t btl_vfring_rails_registered(const struct btl_vfring_rails *rails);
/** Names of the VFs, and the state of the first that does not work, for messages. */
struct btl_vfring_help_here btl_vfring_rails_here(const struct btl_vfring_rails *rails);

#endif /* BTL_VFRING_RAILS_H */
