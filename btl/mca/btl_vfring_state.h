/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The state of a fragment: who has it, and what becomes of it when whoever has it
 * is done. One value, which btl_vfring_frag.h alone changes, as this table allows:
 *
 *     from       to         when
 *     FREE       TAKEN      taken from a free list, for a message of sendi, a part, a probe, an operation
 *     TAKEN      FREE       not needed after all, or all of a buffer has been copied to slots
 *     TAKEN      LENT       alloc, prepare_src: the PML gets it to fill
 *     TAKEN      OUT, OUT_BYTES, OUT_PROBE   given to queue or wire
 *     OUT        TAKEN      they did not take it: the peer is lost, there is no memory, or slots have its bytes
 *     OUT, OUT_BYTES, OUT_PROBE   FREE   they are done with it
 *     LENT       FREE       the PML frees it, or need not
 *     LENT       OUT_LENT   the PML sends it
 *     OUT_LENT   LENT       queue or wire are done with it, or did not take it
 *     OUT_LENT   OUT        the PML frees it, or need not
 *     OUT_LENT   OUT_DUE    the PML is to be told when they are done with it
 *     OUT_LENT   OUT_TOLD   the PML is to be told in the next progress
 *     LENT       TOLD       the same, of a buffer that was copied to slots at once
 *     OUT_TOLD   TOLD       queue or wire are done with it before that
 *     OUT_DUE    TOLD, LOST they are done with it; the peer has it, or is lost
 *     OUT_DUE    LENT, FREE they are done with it at our own end: nobody is told any more
 *     OUT_DUE    OUT        the PML frees it all the same
 *     OUT_TOLD   OUT_LENT   the PML is told now
 *     TOLD, LOST LENT       the same
 *
 * Knows no MPI.
 */
#ifndef BTL_VFRING_STATE_H
#define BTL_VFRING_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum btl_vfring_state {
    BTL_VFRING_FREE,      /**< nobody has it: it is on a free list */
    BTL_VFRING_TAKEN,     /**< we fill it */
    BTL_VFRING_LENT,      /**< the PML has it */
    BTL_VFRING_TOLD,      /**< in line: the PML is told that it was sent. So are OUT_TOLD and LOST */
    BTL_VFRING_LOST,      /**< the PML is told that its peer is lost */
    /* From here on queue or wire have it; and when they are done with it: */
    BTL_VFRING_OUT,       /**< it is free */
    BTL_VFRING_OUT_BYTES, /**< so it is, and its operation hears of it */
    BTL_VFRING_OUT_PROBE, /**< so it is, and first contact hears of it */
    BTL_VFRING_OUT_LENT,  /**< the PML has it still */
    BTL_VFRING_OUT_DUE,   /**< the PML has it still, and is told */
    BTL_VFRING_OUT_TOLD,  /**< the PML has it still; it is told in any case */
    BTL_VFRING_STATES
};

#define BTL_VFRING_INTO(state) (1u << (BTL_VFRING_##state))

/** The table above: for each state those that it may change into. */
static const uint16_t btl_vfring_state_table[BTL_VFRING_STATES] = {
    [BTL_VFRING_FREE] = BTL_VFRING_INTO(TAKEN),
    [BTL_VFRING_TAKEN] = BTL_VFRING_INTO(FREE) | BTL_VFRING_INTO(LENT) | BTL_VFRING_INTO(OUT)
                         | BTL_VFRING_INTO(OUT_BYTES) | BTL_VFRING_INTO(OUT_PROBE),
    [BTL_VFRING_LENT] = BTL_VFRING_INTO(FREE) | BTL_VFRING_INTO(OUT_LENT) | BTL_VFRING_INTO(TOLD),
    [BTL_VFRING_TOLD] = BTL_VFRING_INTO(LENT),
    [BTL_VFRING_LOST] = BTL_VFRING_INTO(LENT),
    [BTL_VFRING_OUT] = BTL_VFRING_INTO(FREE) | BTL_VFRING_INTO(TAKEN),
    [BTL_VFRING_OUT_BYTES] = BTL_VFRING_INTO(FREE),
    [BTL_VFRING_OUT_PROBE] = BTL_VFRING_INTO(FREE),
    [BTL_VFRING_OUT_LENT] = BTL_VFRING_INTO(LENT) | BTL_VFRING_INTO(OUT) | BTL_VFRING_INTO(OUT_DUE)
                            | BTL_VFRING_INTO(OUT_TOLD),
    [BTL_VFRING_OUT_DUE] = BTL_VFRING_INTO(TOLD) | BTL_VFRING_INTO(LOST) | BTL_VFRING_INTO(LENT)
                           | BTL_VFRING_INTO(FREE) | BTL_VFRING_INTO(OUT),
    [BTL_VFRING_OUT_TOLD] = BTL_VFRING_INTO(TOLD) | BTL_VFRING_INTO(OUT_LENT),
};

static inline bool btl_vfring_state_may(enum btl_vfring_state from, enum btl_vfring_state to)
{
    return btl_vfring_state_table[from] >> to & 1u;
}

/** Do queue or wire have it? */
static inline bool btl_vfring_state_is_out(uint8_t state)
{
    return state >= BTL_VFRING_OUT;
}

/** Changes *@p state. Builds that check (sanitizers; a debug build of Open MPI; VFRING_CHECKS) abort if it may not. */
static inline __attribute__((always_inline)) void btl_vfring_state_change(uint8_t *state, enum btl_vfring_state to)
{
#if defined(VFRING_CHECKS) || defined(__SANITIZE_ADDRESS__) || (defined(OPAL_ENABLE_DEBUG) && OPAL_ENABLE_DEBUG)
    if (!btl_vfring_state_may((enum btl_vfring_state) *state, to)) {
        (void) fprintf(stderr, "vfring: a fragment in state %u was to change into %u\n", *state, (unsigned) to);
        abort();
    }
#endif
    *state = (uint8_t) to;
}

#endif /* BTL_VFRING_STATE_H */
