/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a process tells all others of its VFs (modex), and who reaches whom by
 * it: known before the first message. Knows no MPI.
 *
 * A segment is what frames of a VF can get to: for a soft VF its switch, for a
 * real one what the administrator has named. See docs/decisions/segments.md.
 */
#ifndef BTL_VFRING_PAIRING_H
#define BTL_VFRING_PAIRING_H

#include "wire_format.h"

#include <stddef.h>
#include <stdint.h>

#define BTL_VFRING_SEGMENT_BYTES 64u /**< with the final zero */
#define BTL_VFRING_HOST_BYTES 68u    /**< with the final zero: HOST_NAME_MAX of Linux is 64 */

#define BTL_VFRING_KIND_REAL 1u
#define BTL_VFRING_KIND_SOFT 2u

/** A VF, in what its process tells. Little endian. All strings end with zeros. */
struct btl_vfring_modex_rail {
    uint8_t mac[6];   /**< with the id: who the process is on the wire, see docs/decisions/wire-ids.md */
    uint16_t vlan;    /**< 0: none */
    uint32_t mtu_bytes;
    uint8_t kind;     /**< BTL_VFRING_KIND_* */
    uint8_t reserved[3]; /**< 0 */
    char segment[BTL_VFRING_SEGMENT_BYTES]; /**< "": nobody has named it */
    char vf[64];      /**< for messages */
};
_Static_assert(sizeof(struct btl_vfring_modex_rail) == 144, "no holes");

/** Little endian; of `rails` as many are published as there are. */
struct btl_vfring_modex {
    uint8_t version;  /**< of this structure; the first byte in all versions */
    uint8_t wire;     /**< VFRING_WIRE_VERSION */
    uint8_t num_rails;/**< to VFRING_WIRE_RAILS; 0: it needs no VF, and has none */
    uint8_t reserved; /**< 0 */
    uint32_t id;
    uint32_t key;
    char host[BTL_VFRING_HOST_BYTES]; /**< for messages; "": not known */
    struct btl_vfring_modex_rail rails[VFRING_WIRE_RAILS];
};
#define BTL_VFRING_MODEX_VERSION 5u
#define BTL_VFRING_MODEX_BYTES(num_rails) \
    (offsetof(struct btl_vfring_modex, rails) + (num_rails) * sizeof(struct btl_vfring_modex_rail))
_Static_assert(BTL_VFRING_MODEX_BYTES(0u) == 80, "no holes");

/** Which of our rails lead to a process, and to which of its. */
struct btl_vfring_lanes {
    uint8_t num;
    struct btl_vfring_lane {
        uint8_t ours, theirs;
        uint8_t also; /**< bit i: ours leads to theirs of lane i as well, as far as is known */
    } lane[VFRING_WIRE_RAILS]; /**< by `ours` */
};

enum btl_vfring_pairing {
    BTL_VFRING_PAIR_NO_VF,         /**< it has told nothing */
    BTL_VFRING_PAIR_OTHER_VERSION, /**< of the modex or of the wire */
    BTL_VFRING_PAIR_MALFORMED,     /**< this version, and not what it writes */
    /* From here on @p theirs is filled and checked. */
    BTL_VFRING_PAIR_NONE_NEEDED,   /**< one of the two has no VF, because its own job needs none */
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
 *
 * @p lanes: the rails that go together, each once. Both processes find the same ones. Those on one named segment come
 * first, then those of which nobody knows better. Of rails that do not go together the one that is nearest to it
 * says why. A frame is as long as the process's rail of the smallest MTU carries, so these have to be alike.
 */
enum btl_vfring_pairing btl_vfring_pairing(const struct btl_vfring_modex *ours, const void *blob,
                                           size_t bytes, struct btl_vfring_modex *theirs, struct btl_vfring_lanes *lanes);

/** Layer-2 payload of the longest frame that all rails of the process carry. */
uint32_t btl_vfring_modex_mtu(const struct btl_vfring_modex *modex);
/** The names of the process's VFs, "vf0+vf1", for messages; as many as there is room for. */
void btl_vfring_modex_vfs(const struct btl_vfring_modex *modex, char *text, size_t room);

/** Why @p pairing is no way, and what to do; for those before UNPROVEN. */
struct btl_vfring_pairing_text {
    const char *cause, *remedy;
};
struct btl_vfring_pairing_text btl_vfring_pairing_text(enum btl_vfring_pairing pairing);

/** "VF vf0 (soft), segment soft-…, VLAN none, MTU 1500", and so on for each; or as much as @p pairing lets us know of @p theirs. */
void btl_vfring_pairing_describe(const struct btl_vfring_modex *theirs, enum btl_vfring_pairing pairing,
                                 char *text, size_t room);

#endif /* BTL_VFRING_PAIRING_H */
