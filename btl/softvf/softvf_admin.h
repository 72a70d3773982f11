/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tool vfring-softvf does with the files of soft VFs. The owners of
 * the files are not trusted: nothing here maps a file that may be someone's.
 */
#ifndef SOFTVF_ADMIN_H
#define SOFTVF_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

struct softvf_admin_spec {
    uint32_t index;
    uint32_t mtu_bytes;
    uint8_t mac[6];
};

/**
 * Makes DIR/vf<index> anew, mode 0600. An old one of that name is retired: its
 * owner sees the link go down for ever, senders look the new one up.
 * -EADDRINUSE: another VF of the folder has the MAC address.
 * 0 or -errno of what failed; then the folder is as it was, except that a
 * failed rename leaves the old one retired.
 */
int softvf_admin_create(const char *dir, const struct softvf_admin_spec *spec);

/** Retires the soft VF and removes its file. -EPROTO: not a soft VF, left alone. */
int softvf_admin_destroy(const char *path);

#endif /* SOFTVF_ADMIN_H */
