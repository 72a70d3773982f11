/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Which process is at the other end of a UNIX socket. Knows nothing of
 * JavaScript; for any thread.
 */
#ifndef VFRING_PEER_PROCESS_H
#define VFRING_PEER_PROCESS_H

#include <sys/socket.h>
#include <sys/types.h>

/* Linux 6.5; older C libraries do not know the name. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace vfring {

/**
 * A new pidfd of the peer. -1: the kernel does not tell (before Linux 6.5), or
 * it has ended: who needs it then asks again, and is told why.
 */
int HoldPeer(int socket_fd, pid_t pid);

/**
 * Field 22 of /proc/PID/stat (proc(5)), when the process started, in clock
 * ticks since boot. Negative: an errno; ENOENT: there is no such process.
 */
long long ReadStartTicks(pid_t pid);

} // namespace vfring

#endif
