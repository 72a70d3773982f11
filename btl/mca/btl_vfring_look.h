/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Acknowledgements that wait in the RX ring: they count before their frames are taken, when somebody waits for
 * them who must not take frames, for that may call the layers above.
 */
#ifndef BTL_VFRING_LOOK_H
#define BTL_VFRING_LOOK_H

#include "btl_vfring_module.h"

/** The lock is held. Calls nobody above: operations that are over are told of in the next progress. */
void btl_vfring_look(mca_btl_vfring_module_t *module);
/** The wire's window_closed. Within progress it does nothing: that is about to take the frames. */
void btl_vfring_window_closed(void *ctx);

#endif /* BTL_VFRING_LOOK_H */
