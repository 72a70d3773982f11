/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the BTL writes into frames (docs/wire-protocol.md): the kind of each, in
 * the header's `msg`, and the heads of payloads that are no message. Little
 * endian, as all of the wire; none of it is trusted when it comes in.
 */
#ifndef BTL_VFRING_FORMAT_H
#define BTL_VFRING_FORMAT_H

#include <stdint.h>

/* Kinds: all of vfring_wire_hdr.msg, but for FIRST and MORE, which are its lowest byte. */
#define BTL_VFRING_MSG_ACTIVE 0u /**< an active message for the header's tag */
#define BTL_VFRING_MSG_PLACE 1u  /**< struct btl_vfring_place, then bytes to put there */
#define BTL_VFRING_MSG_GET 2u    /**< struct btl_vfring_get: place these bytes here */
#define BTL_VFRING_MSG_PROBE 3u  /**< zeros: do frames of this length arrive? */
#define BTL_VFRING_MSG_FIRST 4u  /**< the first part of a message of several frames */
#define BTL_VFRING_MSG_MORE 5u   /**< another part */
#define BTL_VFRING_MSG_LAST 6u   /**< as PLACE, the last of a put that waits for its acknowledgement */
#define BTL_VFRING_MSG_KIND 0xffu
/** Of FIRST and MORE: the rest of `msg` is how many bytes of the message are left, this part's included. */
#define BTL_VFRING_MSG_LEFT_SHIFT 8

/**
 * Gets that a process has under way at another at a time; it keeps more to
 * itself until these are over. So what a peer's gets take here is bounded.
 */
#define BTL_VFRING_GETS_AT_PEER 256u

/** Head of a PLACE payload. */
struct btl_vfring_place {
    uint32_t index;
    uint32_t reserved; /**< 0 */
    uint64_t nonce;
    uint64_t address;  /**< of the first byte, in the receiver */
};
_Static_assert(sizeof(struct btl_vfring_place) == 24, "on the wire");

/** A GET payload, whole. `source` is the receiver's memory, `target` the sender's. */
struct btl_vfring_get {
    uint32_t source_index;
    uint32_t target_index;
    uint64_t source_nonce;
    uint64_t target_nonce;
    uint64_t source_address;
    uint64_t target_address;
    uint64_t bytes;
};
_Static_assert(sizeof(struct btl_vfring_get) == 48, "on the wire");

/** Goes to peers by way of the PML; Open MPI's mca_btl_base_registration_handle_t. */
struct btl_vfring_handle {
    uint32_t index;
    uint32_t flags; /**< BTL_VFRING_HANDLE_* */
    uint64_t nonce;
};
_Static_assert(sizeof(struct btl_vfring_handle) == 16, "on the wire");

/**
 * The memory is open for writing and no more. Then its owner hears of the end of
 * a put by a message from whoever put (pml/ob1's FIN), and messages are delivered
 * after the frames before them: whoever puts has no need to know that its bytes are there.
 */
#define BTL_VFRING_HANDLE_WRITTEN 1u

#endif /* BTL_VFRING_FORMAT_H */
