/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a process tells all others of its VF (modex), and who reaches whom by
 * it: known before the first message. Knows no MPI.
 *
 * A segment is what frames of a VF can get to: for a soft VF its switch, for a
 * real one what the administrator has named. See docs/decisions/segments.md.
 */
#ifndef BTL_VFRING_PAIRING_H
#define BTL_VFRING_PAIRING_H

#include <stddef.h>
#include <stdint.h>

#define BTL_VFRING_SEGMENT_BYTES 64u /**< with the final zero */
#define BTL_VFRING_HOST_BYTES 68u    /**< with the final zero: HOST_NAME_MAX of Linux is 64 */

#define BTL_VFRING_KIND_REAL 1u
#define BTL_VFRING_KIND_SOFT 2u

/** Little endian. All strings end with zeros. */
struct btl_vfring_modex {
    uint8_t version;  /**< of this structure; the first byte in all versions */
    uint8_t wire;     /**< VFRING_WIRE_VERSION */
    uint8_t mac[6];   /**< with id: who the process is on the wire, see docs/decisions/wire-ids.md */
    uint32_t id;
    uint32_t key;
    uint32_t mtu_bytes;
    uint16_t vlan;    /**< 0: none */
    uint8_t kind;     /**< BTL_VFRING_KIND_* */
    uint8_t reserved; /**< 0 */
    char segment[BTL_VFRING_SEGMENT_BYTES]; /**< "": nobody has named it */
    char vf[64];      /**< for messages */
    char host[BTL_VFRING_HOST_BYTES]; /**< for messages; "": not known */
};
#define BTL_VFRING_MODEX_VERSION 4u
_Static_assert(sizeof(struct btl_vfring_modex) == 220, "no holes");

enum btl_vfring_pairing {
    BTL_VFRING_PAIR_NO_VF,         /**< it has told nothing */
    BTL_VFRING_PAIR_OTHER_VERSION, /**< of the modex or of the wire */
    BTL_VFRING_PAIR_MALFORMED,     /**< this version, and not what it writes */
    /* From here on @p theirs is filled and checked. */
    BTL_VFRING_PAIR_OTHER_KIND,    /**< one soft, one real */
    BTL_VFRING_PAIR_OTHER_SEGMENT,
    BTL_VFRING_PAIR_OTHER_VLAN,
    BTL_VFRING_PAIR_OTHER_MTU,
    BTL_VFRING_PAIR_UNPROVEN,      /**< nothing speaks against it; first contact proves it */
    BTL_VFRING_PAIR_REACHES        /**< one segment, named by both */
};

/** Our own host's name, as it may be published: no longer than others take it, and '?' for what no terminal should get. */
void btl_vfring_pairing_host(struct btl_vfring_modex *ours, const char *name);

/**
 * Do we reach the process that has published @p bytes at @p blob? None of them
 * is trusted. @p ours is what we have published. *@p theirs: see the enum; of
 * another version its `version` and, as far as that is known, `wire` alone.
 */
enum btl_vfring_pairing btl_vfring_pairing(const struct btl_vfring_modex *ours, const void *blob,
                                           size_t bytes, struct btl_vfring_modex *theirs);

/** Why @p pairing is no way, and what to do; for those before UNPROVEN. */
struct btl_vfring_pairing_text {
    const char *cause, *remedy;
};
struct btl_vfring_pairing_text btl_vfring_pairing_text(enum btl_vfring_pairing pairing);

/** "VF vf0 (soft), segment soft-…, VLAN none, MTU 1500"; or as much as @p pairing lets us know of @p theirs. */
void btl_vfring_pairing_describe(const struct btl_vfring_modex *theirs, enum btl_vfring_pairing pairing,
                                 char *text, size_t room);

#endif /* BTL_VFRING_PAIRING_H */
