/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The pump: sends the bytes of operations, for all peers that have some, in
 * turns (btl_vfring_turns.h). All calls with the module's lock held.
 */
#ifndef BTL_VFRING_PUMP_H
#define BTL_VFRING_PUMP_H

#include "btl_vfring_module.h"

/** Puts @p op behind what there is to send to its peer. */
void btl_vfring_pump_add(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** The same, and sends what can go at once; the rest, and every callback, comes with progress. */
void btl_vfring_pump_start(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** In progress: sends for the peers in line what window, slots and ring allow. */
void btl_vfring_pump_run(mca_btl_vfring_module_t *module);
/** The wire is done with a frame of an operation: the peer has placed it (@p status 0), or never will. */
void btl_vfring_pump_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status);
/** The memory is about to be its owner's alone: what frames of peers' gets may have to send again of it is kept. */
void btl_vfring_pump_close(mca_btl_vfring_module_t *module, const struct btl_vfring_exposure *exposure);
/** Nothing is sent to the endpoint any more; with @p tell the callers hear of it. */
void btl_vfring_pump_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell);

#endif /* BTL_VFRING_PUMP_H */
