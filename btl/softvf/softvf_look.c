/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a soft VF's file says of it, read without trusting the file's owner.
 */
#include <errno.h>
#include <fcntl.h>
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

int softvf_admin_read(const char *path, struct softvf_header *hdr, struct softvf_rx *rx)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

    if (fd < 0) {
        return -errno;
    }
    /* By pread: the file's owner may truncate it under a mapping. */
    int rc = softvf_file_check(fd, hdr);
    if (rc == 0 &&
        pread(fd, rx, sizeof(*rx), offsetof(struct softvf_file, rx)) != (ssize_t)sizeof(*rx)) {
        rc = -EPROTO;
    }
    if (rc == 0) {
        rc = is_open(fd);
    }
    close(fd);
    return rc;
}

int softvf_admin_look(const char *path, struct softvf_admin_state *out)
{
    struct softvf_header hdr;
    struct softvf_rx rx;
    int rc = softvf_admin_read(path, &hdr, &rx);

    if (rc < 0) {
        return rc;
    }
    out->mtu_bytes = hdr.mtu_bytes;
    memcpy(out->mac, hdr.mac, sizeof(out->mac));
    _Static_assert(sizeof(out->segment) == SOFTVF_SEGMENT_BYTES, "a name of a switch has room");
    memcpy(out->segment, hdr.segment, sizeof(out->segment));
    out->open = rc == 1;
    out->model = softvf_model_name(hdr.model);
    out->rx_frames = SOFTVF_GET(&rx.frames);
    out->rx_bytes = (uint32_t)SOFTVF_GET(&rx.octets);
    out->tx_frames = SOFTVF_GET(&hdr.tx_frames);
    out->tx_bytes = (uint32_t)SOFTVF_GET(&hdr.tx_octets);
    return 0;
}
