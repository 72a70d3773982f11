/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls back when the kernel announces a change of a PCI function, a network
 * interface or a VF's node (NETLINK_KOBJECT_UEVENT).
 *
 * A thread of its own waits for the messages. What is lost when the socket's
 * buffer overflows is not missed: an overflow is itself reported as a change.
 */
#include "exports.h"
#include "stoppable_thread.h"
#include "system_error.h"

#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace vfring {

namespace {

/* Group 1 is the kernel's own; udev's is 2. */
constexpr uint32_t kKernelGroup = 1;
constexpr size_t kMessageBytes = 16384;

class UeventWatch : public Napi::ObjectWrap<UeventWatch> {
public:
    static Napi::Function Define(Napi::Env env);
    explicit UeventWatch(const Napi::CallbackInfo &info);
    ~UeventWatch() override { Stop(); }

private:
    Napi::Value Close(const Napi::CallbackInfo &info);
    void Run();
    void Stop();
    void Tell(const std::string &subsystem);

    int netlink_fd_ = -1;
    Napi::ThreadSafeFunction on_event_;
    StoppableThread thread_;
};

Napi::Function UeventWatch::Define(Napi::Env env)
{
    return DefineClass(env, "UeventWatch", {InstanceMethod("close", &UeventWatch::Close)});
}

UeventWatch::UeventWatch(const Napi::CallbackInfo &info)
    : Napi::ObjectWrap<UeventWatch>(info), thread_(info.Env())
{
    Napi::Env env = info.Env();

    if (info.Length() < 1 || !info[0].IsFunction()) {
        throw Napi::TypeError::New(env, "onEvent must be a function");
    }
    UniqueFd netlink(
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    if (netlink.get() < 0) {
        throw SystemError(env, errno, "socket NETLINK_KOBJECT_UEVENT");
    }
    struct sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_groups = kKernelGroup;
    if (bind(netlink.get(), reinterpret_cast<struct sockaddr *>(&address), sizeof(address)) != 0) {
        throw SystemError(env, errno, "bind NETLINK_KOBJECT_UEVENT");
    }
    netlink_fd_ = netlink.release();
    on_event_ = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "vfring uevent",
                                              0, 1);
    on_event_.Unref(env);
    Ref();
    env.AddCleanupHook([this]() { Stop(); });
    thread_.Start([this]() { Run(); });
}

/* SUBSYSTEM= of a message; fields are strings that end with a NUL. */
static std::string Subsystem(const char *message, size_t length)
{
    static const char key[] = "SUBSYSTEM=";

    for (size_t at = 0; at < length;) {
        size_t field = strnlen(message + at, length - at);

        if (field >= sizeof(key) - 1 && memcmp(message + at, key, sizeof(key) - 1) == 0) {
            return std::string(message + at + sizeof(key) - 1, field - (sizeof(key) - 1));
        }
        at += field + 1;
    }
    return "";
}

void UeventWatch::Run()
{
    char message[kMessageBytes];

    for (;;) {
        struct pollfd pfds[2] = {{netlink_fd_, POLLIN, 0}, {thread_.stop_fd(), POLLIN, 0}};

        if (poll(pfds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (pfds[1].revents != 0) {
            break;
        }
        struct sockaddr_nl from = {};
        socklen_t size = sizeof(from);
        ssize_t length = recvfrom(netlink_fd_, message, sizeof(message), 0,
                                  reinterpret_cast<struct sockaddr *>(&from), &size);
        if (length < 0) {
            if (errno == ENOBUFS) {
                Tell("overflow");
            } else if (errno != EAGAIN && errno != EINTR) {
                break;
            }
            continue;
        }
        /* Port 0 is the kernel: other processes may send to the group, too. */
        if (from.nl_pid != 0) {
            continue;
        }
        std::string subsystem = Subsystem(message, static_cast<size_t>(length));
        if (subsystem == "pci" || subsystem == "net" || subsystem == "uio_vf") {
            Tell(subsystem);
        }
    }
    on_event_.Release();
}

void UeventWatch::Tell(const std::string &subsystem)
{
    on_event_.BlockingCall([subsystem](Napi::Env env, Napi::Function callback) {
        callback.Call({Napi::String::New(env, subsystem)});
    });
}

void UeventWatch::Stop()
{
    if (thread_.Stop()) {
        close(netlink_fd_);
        netlink_fd_ = -1;
    }
}

Napi::Value UeventWatch::Close(const Napi::CallbackInfo &info)
{
    Stop();
    return info.Env().Undefined();
}

} // namespace

void DefineUeventWatch(Napi::Env env, Napi::Object exports)
{
    exports.Set("UeventWatch", UeventWatch::Define(env));
}

} // namespace vfring
