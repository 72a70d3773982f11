/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Memory registration, put and get, as Open MPI calls them (btl.h).
 */
#ifndef BTL_VFRING_ONESIDED_H
#define BTL_VFRING_ONESIDED_H

#include "btl_vfring_compat.h"

mca_btl_base_registration_handle_t *btl_vfring_register_mem(struct mca_btl_base_module_t *btl,
                                                            struct mca_btl_base_endpoint_t *endpoint,
                                                            void *base, size_t size, uint32_t flags);
int btl_vfring_deregister_mem(struct mca_btl_base_module_t *btl, mca_btl_base_registration_handle_t *handle);
int btl_vfring_put(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext, void *cbdata);
int btl_vfring_get(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext, void *cbdata);

#endif /* BTL_VFRING_ONESIDED_H */
