/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The connection to vfringd's lease socket: a line out, a line back. Knows nothing of what they say.
 */
#ifndef BTL_VFRING_LEASE_SOCKET_H
#define BTL_VFRING_LEASE_SOCKET_H

#include "btl_vfring_lease_protocol.h"

#define VFRING_LEASE_DEFAULT_RUN_DIR "/run/vfring"

/** What comes with a reply (SCM_RIGHTS): a container, and a VF of each. */
#define VFRING_LEASE_MAX_DESCRIPTORS (1u + VFRING_LEASE_MAX_VFS)

struct vfring_lease_descriptors {
    unsigned num;
    int fd[VFRING_LEASE_MAX_DESCRIPTORS];
};

/** Closes all of them. */
void vfring_lease_descriptors_close(struct vfring_lease_descriptors *descriptors);

/** Of the clock that deadlines are of. */
int64_t vfring_lease_now_ms(void);

/**
 * Connects to the daemon at @p run_dir, sends @p line, which ends with a newline, and receives what it answers, all within
 * @p timeout_ms. Descriptors that come with it are @p descriptors, closed on exec, and the caller's; NULL: they are closed.
 * @return bytes of the reply before its newline; or a negative errno with @p error filled, and no descriptor: -EINVAL, -ENAMETOOLONG: no path
 * for a socket; -ETIMEDOUT; -EPIPE: the daemon went away; -EMSGSIZE: a line without end; -EPROTO: more descriptors than
 * that; -EMFILE: more than this process can have; else what connect(2) or the like said.
 */
int vfring_lease_exchange(const char *run_dir, const char *line, size_t line_bytes, int timeout_ms,
                          char reply[VFRING_LEASE_MAX_REPLY_BYTES], struct vfring_lease_descriptors *descriptors,
                          struct vfring_lease_error *error);

/** Is there a lease socket at all? For processes that did not ask for vfring by name. */
bool vfring_lease_daemon_present(const char *run_dir);

#endif /* BTL_VFRING_LEASE_SOCKET_H */
