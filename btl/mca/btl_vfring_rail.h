/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A rail: one VF at work, with its rings, and how it got here and goes back. Knows no
 * peer and no message, nor the other rails: see btl_vfring_rails.h.
 */
#ifndef BTL_VFRING_RAIL_H
#define BTL_VFRING_RAIL_H

#include "btl_vfring_lease.h"
#include "vfring_space.h"
#include "vfring_vf.h"
#include "vfring_vf_hot.h"

struct btl_vfring_rail {
    struct vfring_vf *vf;
    struct vfring_vf_rings rings; /**< the VF's, for the path */
    struct vfring_vf_info info;
    struct vfring_lease lease; /**< what is leased of it, with the others; id empty: the device was named by hand */

    uint64_t downs;     /**< times that it was set aside */
    uint64_t asides;    /**< ways to peers that were found to lose all that goes there */
    bool down;          /**< nothing goes this way now: it was set aside, see btl_vfring_aside.h */
    bool dead;          /**< and the VF was stopped: it works again when it can be set up or opened anew */
    bool gone;          /**< and that it will not */
    bool taken;         /**< vfringd has said that it is not ours any more: it is to be closed */
    uint64_t down_since_ns, retry_ns; /**< when it is next tried */
    uint32_t retry_shift;
    uint32_t unanswered; /**< questions whose it is, one after the other */
    char why[128];      /**< it was set aside the last time, or a way by it was; "": it never was */
    char refused[sizeof(((struct vfring_vf_error *) 0)->text)];  /**< why the last try was in vain, for messages */
    struct vfring_vf_counters counted; /**< by earlier openings */
    uint64_t doorbells_rung;           /**< the same */
    uint64_t slots_iova; /**< for this VF, of the memory of btl_vfring_rails.h */
    uint32_t seq_base;  /**< numbers of frames go on from here; those before are of an earlier opening */

    /* Its link, as far as somebody has looked. */
    bool link_was_down;
    uint64_t link_since_ns, link_seen_ns; /**< first and last look that found it down without a long gap */
    uint64_t link_downs;
};

/**
 * Opens the VF of rail->lease, in @p space, or a spare one when that is in use. 0, or negative errno, @p error says why,
 * and there is nothing to be closed.
 */
int btl_vfring_rail_open(struct btl_vfring_rail *rail, struct vfring_space *space, struct vfring_vf_error *error);
/**
 * Sets up a VF that was stopped anew, if it can be used at once, with the address that peers know: in place, so that its memory
 * stays registered; or, where it is gone and @p reopen says so, by opening it again, where it is now. 0, or negative errno,
 * `refused` says why; -ENODEV: it is gone. Nobody is told.
 */
int btl_vfring_rail_revive(struct btl_vfring_rail *rail, struct vfring_space *space, bool reopen);
/** Closes a VF that was stopped and is not ours any more: it is whoever's next. */
void btl_vfring_rail_let_go(struct btl_vfring_rail *rail);
/** From here on the VF reads nothing: slots and registered memory may go. Harmless for one that is not open. */
void btl_vfring_rail_stop(struct btl_vfring_rail *rail);
/** Closes the VF. */
void btl_vfring_rail_close(struct btl_vfring_rail *rail);

/** May the VF still read the frame with number @p tx_seq, which counts from seq_base? */
static inline bool btl_vfring_rail_busy(const struct btl_vfring_rail *rail, uint32_t tx_seq)
{
    return !rail->down && vfring_vf_tx_busy(rail->vf, tx_seq - rail->seq_base);
}
/** Frames that the VF has been given and has not read. */
static inline uint32_t btl_vfring_rail_waiting(const struct btl_vfring_rail *rail)
{
    return rail->rings.tx->seq - vfring_vf_tx_done(rail->vf);
}
/** The VF's own counters, and doorbells, of all its openings. */
void btl_vfring_rail_counters(const struct btl_vfring_rail *rail, struct vfring_vf_counters *counters,
                              uint64_t *doorbells);
/** State of the VF, in words. */
const char *btl_vfring_rail_link(const struct btl_vfring_rail *rail);
/**
 * A look found the link @p down, or not. For how many ns has it been, as far as looks without long gaps
 * between them tell; 0: it is up.
 */
uint64_t btl_vfring_rail_link_looked(struct btl_vfring_rail *rail, bool down, uint64_t now_ns);

#endif /* BTL_VFRING_RAIL_H */
