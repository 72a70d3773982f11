/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The path: what every message of a process with one rail runs through, in one piece.
 */
#ifndef BTL_VFRING_PATH_H
#define BTL_VFRING_PATH_H

#include "btl_vfring_compat.h"
#include "vfring_wire.h"

/** Hot. As Open MPI calls them, see btl.h. */
int btl_vfring_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                    struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag);
int btl_vfring_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                     struct opal_convertor_t *convertor, void *header, size_t header_size,
                     size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                     mca_btl_base_descriptor_t **descriptor);
/** Hot. Of the component: progress of btl_vfring_module, if there is one. @return frames that came in. */
int btl_vfring_progress(void);

/** What the wire asks of the module, which is the context. */
extern const struct vfring_wire_ops btl_vfring_wire_ops;

#endif /* BTL_VFRING_PATH_H */
