/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tool vfring-softvf and the daemon do with the files of soft VFs.
 * The owners of the files are not trusted: nothing here maps a file that may
 * be someone's, and nothing here waits for one of them.
 */
#ifndef SOFTVF_ADMIN_H
#define SOFTVF_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOFTVF_DEFAULT_MODEL "82576"

struct softvf_admin_spec {
    uint32_t index;
    uint32_t mtu_bytes;
    uint8_t mac[6];
    /**
     * The caller answers for it that no other VF of the folder has the MAC: the
     * others are not looked at, and so what their users wrote into them does
     * not matter.
     */
    bool mac_is_unique;
    uint32_t rate_mbits; /**< of what the VF sends; 0: as fast as it is copied */
    const char *model;   /**< "82576", "82599" or "x540"; NULL: SOFTVF_DEFAULT_MODEL */
};

/**
 * Makes DIR/vf<index> anew, mode 0600. An old one of that name is retired: its
 * owner sees the link go down for ever, senders look the new one up.
 * -EINVAL: no such model, or rate. -EADDRINUSE: another VF of the folder has the MAC address. -EILSEQ: the folder's
 * file `segment`, which its first VF makes, holds something else.
 * 0 or -errno of what failed; then the folder is as it was, except that a
 * failed rename leaves the old one retired.
 */
int softvf_admin_create(const char *dir, const struct softvf_admin_spec *spec);

/** Retires the soft VF and removes its file. -EPROTO: not a soft VF, left alone. */
int softvf_admin_destroy(const char *path);

struct softvf_admin_state {
    uint32_t mtu_bytes;
    uint8_t mac[6];
    char segment[24]; /* name of its switch */
    bool open;        /* somebody drives it */
    const char *model;
    /* Totals modulo 2^32, whatever the registers of the model hold. */
    uint32_t rx_frames, rx_bytes, tx_frames, tx_bytes;
};

/** The state of a soft VF. 0 or -errno; -EPROTO: not a soft VF. */
int softvf_admin_look(const char *path, struct softvf_admin_state *out);

struct softvf_header;
struct softvf_rx;

/** The same, whole, for who knows the layout. 1: somebody drives it, 0: nobody, or -errno. */
int softvf_admin_read(const char *path, struct softvf_header *hdr, struct softvf_rx *rx);

#ifdef __cplusplus
}
#endif

#endif /* SOFTVF_ADMIN_H */
