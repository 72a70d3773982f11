/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The component: what Open MPI's loader finds, once a process.
 */
#ifndef BTL_VFRING_COMPONENT_H
#define BTL_VFRING_COMPONENT_H

#include "btl_vfring_compat.h"
#include "btl_vfring_params.h"

typedef struct mca_btl_vfring_component_t {
    mca_btl_base_component_t super; /* first; the version is set where it is defined */
    struct btl_vfring_params *params; /* for who has but the component, as the tests */
} mca_btl_vfring_component_t;

OPAL_DECLSPEC extern mca_btl_vfring_component_t mca_btl_vfring_component;

#endif /* BTL_VFRING_COMPONENT_H */
