/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Messages that do not go at once in one frame.
 */
#ifndef BTL_VFRING_MESSAGE_H
#define BTL_VFRING_MESSAGE_H

#include "btl_vfring_module.h"

/**
 * btl_sendi of what is longer than a frame, or finds no slot; the module's lock is held. OPAL_ERR_OUT_OF_RESOURCE:
 * the PML is to come with a descriptor.
 */
int btl_vfring_message_sendi(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                             struct opal_convertor_t *convertor, const void *header, size_t header_size,
                             size_t payload_size, mca_btl_base_tag_t tag);

#endif /* BTL_VFRING_MESSAGE_H */
