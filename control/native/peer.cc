/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"
#include "peer_process.h"
#include "system_error.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

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

/**
 * prlimit(pid, resource[, soft, hard]): [soft, hard] as they were before, in
 * bytes; -1 is RLIM_INFINITY, both ways. Null: this process may not set them.
 * No exception: where it may not, it is told so at every lease.
 */
Napi::Value Prlimit(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int64_t pid = IntArg(info, 0, "pid");
    int64_t resource = IntArg(info, 1, "resource");
    struct rlimit64 wanted = {};
    struct rlimit64 before = {};
    bool set = info.Length() > 2;

    if (set) {
        /* RLIM64_INFINITY is all ones. */
        wanted.rlim_cur = static_cast<rlim64_t>(IntArg(info, 2, "soft"));
        wanted.rlim_max = static_cast<rlim64_t>(IntArg(info, 3, "hard"));
    }
    if (prlimit64(static_cast<pid_t>(pid), static_cast<__rlimit_resource>(resource),
                  set ? &wanted : nullptr, &before) != 0) {
        if (set && errno == EPERM) {
            return env.Null();
        }
        throw SystemError(env, errno, "prlimit", std::to_string(pid));
    }
    Napi::Array out = Napi::Array::New(env, 2);
    rlim64_t limits[] = {before.rlim_cur, before.rlim_max};
    for (uint32_t i = 0; i < 2; i++) {
        out.Set(i, Napi::Number::New(env, limits[i] == RLIM64_INFINITY
                                              ? -1
                                              : static_cast<double>(limits[i])));
    }
    return out;
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
