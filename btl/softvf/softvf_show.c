/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A look at a soft VF from outside, whoever drives it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "softvf_admin.h"
#include "softvf_internal.h"

/** Whether somebody holds the VF. The lock is held for an instant only. */
static int is_open(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        flock(fd, LOCK_UN);
        return 0;
    }
    return errno == EWOULDBLOCK ? 1 : -errno;
}

int softvf_file_peek(const char *path, struct softvf_header *hdr, struct softvf_rx *rx)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    /* By pread: the file's owner may truncate it under a mapping. */
    int rc = softvf_file_check(fd, hdr);
    if (rc == 0 && pread(fd, rx, sizeof(*rx), offsetof(struct softvf_file, rx)) !=
                       (ssize_t)sizeof(*rx)) {
        rc = -EPROTO;
    }
    if (rc == 0) {
        rc = is_open(fd);
    }
    close(fd);
    return rc;
}

int softvf_admin_show(const char *path, struct softvf_admin_state *state)
{
    struct softvf_header hdr;
    struct softvf_rx rx;
    int rc = softvf_file_peek(path, &hdr, &rx);

    if (rc < 0) {
        return rc;
    }
    *state = (struct softvf_admin_state) {
        .index = hdr.index,
        .mtu_bytes = hdr.mtu_bytes,
        .open = rc == 1,
        .owner_pid = rc == 1 ? SOFTVF_GET(&hdr.owner_pid) : 0,
        .generation = SOFTVF_GET(&hdr.generation),
        .rx_frames = SOFTVF_GET(&rx.frames),
        .tx_frames = SOFTVF_GET(&hdr.tx_frames),
        .rx_octets = SOFTVF_GET(&rx.octets),
        .tx_octets = SOFTVF_GET(&hdr.tx_octets),
    };
    memcpy(state->mac, hdr.mac, sizeof(state->mac));
    return 0;
}
