/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Filling a fragment and giving it to the wire, for all but the path
 * (btl_vfring_path.c), which has its own inlined. All calls with the module's lock held.
 */
#ifndef BTL_VFRING_POST_H
#define BTL_VFRING_POST_H

#include "btl_vfring_module.h"

/** Packs up to *@p bytes of the convertor's data to @p to; *@p bytes becomes what it was. */
int btl_vfring_pack(struct opal_convertor_t *convertor, void *to, size_t *bytes);
/** Packs exactly @p bytes of the convertor's data to @p to. */
int btl_vfring_pack_all(struct opal_convertor_t *convertor, void *to, size_t bytes);

/**
 * Gives what is in the slot, of segment.seg_len, to the wire as @p msg; the fragment is out. OPAL_SUCCESS; or it is
 * the caller's, and OPAL_ERR_OUT_OF_RESOURCE or, the peer is lost, OPAL_ERR_UNREACH.
 */
int btl_vfring_post(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, mca_btl_base_tag_t tag,
                    uint32_t msg);
/** Rings for what was posted, on all rails; inside progress one doorbell at its end serves all that its thread sends. */
void btl_vfring_ring(mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_POST_H */
