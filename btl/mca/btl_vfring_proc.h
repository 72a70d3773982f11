/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Processes that come and go: add_procs and del_procs as Open MPI calls them
 * (btl.h), and the wire's operations (vfring_wire.h) for peers that it does not know
 * or does not hear. The latter have the module as context, and its lock is held.
 */
#ifndef BTL_VFRING_PROC_H
#define BTL_VFRING_PROC_H

#include "btl_vfring_module.h"

int btl_vfring_add_procs(struct mca_btl_base_module_t *btl, size_t nprocs, struct opal_proc_t **procs,
                         struct mca_btl_base_endpoint_t **endpoints, struct opal_bitmap_t *reachable);
int btl_vfring_del_procs(struct mca_btl_base_module_t *btl, size_t nprocs, struct opal_proc_t **procs,
                         struct mca_btl_base_endpoint_t **endpoints);

struct vfring_wire_peer *btl_vfring_unknown_peer(void *ctx, uint32_t id, const uint8_t mac[6]);
void btl_vfring_peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence);
/** It has said goodbye. */
void btl_vfring_peer_left(void *ctx, struct vfring_wire_peer *peer);
/** Others have its VFs, and say so. Nothing for processes of our own job. */
void btl_vfring_peer_replaced(void *ctx, struct vfring_wire_peer *peer);
/** What goes to it by rail @p number of ours gets lost, or does no longer. Others carry it. */
void btl_vfring_lane_aside(void *ctx, struct vfring_wire_peer *peer, uint32_t number, bool aside);
void btl_vfring_peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence);

#endif /* BTL_VFRING_PROC_H */
