/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The path of a process with several rails.
 */
#ifndef BTL_VFRING_MULTIRAIL_H
#define BTL_VFRING_MULTIRAIL_H

#include "btl_vfring_compat.h"
#include "vfring_wire.h"

/** As those of btl_vfring_path.h, for a module with several rails. */
int btl_vfring_rails_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                          struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag);
int btl_vfring_rails_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                           struct opal_convertor_t *convertor, void *header, size_t header_size,
                           size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                           mca_btl_base_descriptor_t **descriptor);
int btl_vfring_rails_progress(void);
extern const struct vfring_wire_ops btl_vfring_rails_wire_ops;

#endif /* BTL_VFRING_MULTIRAIL_H */
