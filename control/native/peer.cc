/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"
#include "system_error.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* asm-generic/socket.h of Linux 6.5 and later; older headers do not have it. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace vfring {

Napi::Value PeerCred(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd = static_cast<int>(IntArg(info, 0, "fd"));
    struct ucred cred = {};
    socklen_t length = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0) {
        throw SystemError(env, errno, "getsockopt SO_PEERCRED");
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("pid", Napi::Number::New(env, cred.pid));
    out.Set("uid", Napi::Number::New(env, cred.uid));
    out.Set("gid", Napi::Number::New(env, cred.gid));
    return out;
}

Napi::Value PeerPidfd(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd = static_cast<int>(IntArg(info, 0, "fd"));
    int pidfd = -1;
    socklen_t length = sizeof(pidfd);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) != 0) {
        if (errno == ENOPROTOOPT || errno == EOPNOTSUPP) {
            return env.Null();
        }
        throw SystemError(env, errno, "getsockopt SO_PEERPIDFD");
    }
    return Napi::Number::New(env, pidfd);
}

/* -ENOENT: there is no such process; another -errno: it cannot be read. */
static long long ReadStartTicks(pid_t pid)
{
    char path[32];
    char text[1024]; /* 52 numbers of at most 20 digits, of which 22 are needed, and a name of at most 64 bytes */

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t got = fd.get() < 0 ? -1 : read(fd.get(), text, sizeof(text) - 1);
    if (got < 0) {
        return errno == ESRCH ? -ENOENT : -errno;
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

/**
 * startTicks(pid): field 22 of /proc/PID/stat (proc(5)), when the process
 * started, in clock ticks since boot; null when there is no such process.
 */
Napi::Value StartTicks(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int64_t pid = IntArg(info, 0, "pid");
    long long ticks = ReadStartTicks(static_cast<pid_t>(pid));

    if (ticks == -ENOENT) {
        return env.Null();
    }
    if (ticks < 0) {
        throw SystemError(env, static_cast<int>(-ticks), "read the start time of process",
                          std::to_string(pid));
    }
    return Napi::Number::New(env, static_cast<double>(ticks));
}

Napi::Value PidfdOpen(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int64_t pid = IntArg(info, 0, "pid");
    long pidfd = syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0);

    if (pidfd < 0) {
        throw SystemError(env, errno, "pidfd_open", std::to_string(pid));
    }
    return Napi::Number::New(env, static_cast<double>(pidfd));
}

Napi::Value PidfdSendSignal(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd = static_cast<int>(IntArg(info, 0, "pidfd"));
    int signal = static_cast<int>(IntArg(info, 1, "signal"));

    if (syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) != 0) {
        throw SystemError(env, errno, "pidfd_send_signal");
    }
    return env.Undefined();
}

/*
 * sdNotify(path, text): one datagram to the service manager (sd_notify(3)).
 * A path that begins with @ is in the abstract namespace.
 */
Napi::Value SdNotify(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    std::string text = StringArg(info, 1, "text");
    struct sockaddr_un address = {};

    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        throw SystemError(env, ENAMETOOLONG, "sendto", path);
    }
    memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) {
        throw SystemError(env, errno, "socket");
    }
    socklen_t length = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + path.size());
    if (sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
               reinterpret_cast<struct sockaddr *>(&address), length) < 0) {
        throw SystemError(env, errno, "sendto", path);
    }
    return env.Undefined();
}

Napi::Value CloseFd(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd = static_cast<int>(IntArg(info, 0, "fd"));

    if (close(fd) != 0) {
        throw SystemError(env, errno, "close");
    }
    return env.Undefined();
}

} // namespace vfring
