/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The MCA parameters of the component: the one place that names them, and their
 * values for all others to read.
 */
#ifndef BTL_VFRING_PARAMS_H
#define BTL_VFRING_PARAMS_H

#include "btl_vfring_compat.h"

/** Described, with range and default, where they are registered. */
struct btl_vfring_params {
    /* Copies of our own, valid from keep to forget; "" where nothing is set. */
    char *run_dir;
    char *job;
    char *devices;
    char *soft_faults;
    char *segment;
    char *wait;
    char *lease;
    bool asked_for; /**< the user named this component in the MCA parameter btl */
    unsigned int rails;
    unsigned int mtu_bytes;
    unsigned int tx_entries;
    unsigned int rx_entries;
    unsigned int spin_us;
    unsigned int slots;
    size_t queue_bytes;
    unsigned int assembly_buffers;
    unsigned int window;
    size_t rcache_bytes;
    unsigned int rcache_entries;
    size_t zero_copy_min;
    bool fetch;
    bool checksum;
    unsigned int ack_delay_us;
    unsigned int rto_min_us;
    unsigned int silence_warn_s;
    unsigned int peer_timeout_s;
    unsigned int link_timeout_s;
    unsigned int lease_timeout_s;
    bool helper;
    bool connectivity_check;
    unsigned int connectivity_timeout_s;
    bool stats;
};
extern struct btl_vfring_params btl_vfring_params;

/** As parameters of @p component. */
void btl_vfring_params_register(const mca_base_component_t *component);
/** Takes over what Open MPI frees before the end, and fills in what 0 stands for where several need it. OPAL_SUCCESS or OPAL_ERR_OUT_OF_RESOURCE. */
int btl_vfring_params_keep(void);
void btl_vfring_params_forget(void);
/** Does the MCA parameter btl leave room for the component of that name? */
bool btl_vfring_params_btl_allowed(const char *name);

#endif /* BTL_VFRING_PARAMS_H */
