/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer_process.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace vfring {

int HoldPeer(int socket_fd, pid_t pid)
{
    int fd = -1;
    socklen_t length = sizeof(fd);

    if (pid == 0 || getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) != 0) {
        return -1;
    }
    return fd;
}

long long ReadStartTicks(pid_t pid)
{
    char path[32];
    char text[1024]; /* 52 numbers of at most 20 digits, of which 22 are needed, and a name of at most 64 bytes */

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    int err = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        return err == ESRCH ? -ENOENT : -err;
    }
    text[got] = '\0';
    /* The name in parentheses may hold anything, a parenthesis too. */
    const char *field = strrchr(text, ')');
    for (int i = 2; field != nullptr && i < 22; i++) {
        field = strchr(field + 1, ' ');
    }
    char *end = nullptr;
    errno = 0;
    long long ticks = field == nullptr ? 0 : strtoll(field + 1, &end, 10);
    return field == nullptr || end == field + 1 || errno != 0 || ticks < 0 ? -EPROTO : ticks;
}

} // namespace vfring
