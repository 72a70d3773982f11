/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls back when a process ends. One thread waits in epoll for all pidfds of
 * an environment.
 *
 * Who owns what: the JavaScript side owns each pidfd and takes it out of the
 * watch before it closes it. The thread owns nothing but its epoll entry; it
 * names a watch by a token that is never used twice, so an event that was
 * under way when a watch was removed finds nothing and is dropped.
 */
#include "exports.h"
#include "watch_thread.h"

#include <cerrno>
#include <map>
#include <poll.h>
#include <sys/epoll.h>

namespace vfring {

namespace {

constexpr uint64_t kStopToken = 0;

class ProcessWatch : public Napi::ObjectWrap<ProcessWatch> {
public:
    static Napi::Function Define(Napi::Env env);
    explicit ProcessWatch(const Napi::CallbackInfo &info);

private:
    Napi::Value Add(const Napi::CallbackInfo &info);
    Napi::Value Remove(const Napi::CallbackInfo &info);
    Napi::Value Close(const Napi::CallbackInfo &info);
    void Run();

    uint64_t next_token_ = 1;
    std::map<uint64_t, int> watched_; /* token to pidfd; JS thread only */
    WatchThread thread_; /* its source is the epoll */
};

Napi::Function ProcessWatch::Define(Napi::Env env)
{
    return DefineClass(env, "ProcessWatch",
                       {InstanceMethod("add", &ProcessWatch::Add),
                        InstanceMethod("remove", &ProcessWatch::Remove),
                        InstanceMethod("close", &ProcessWatch::Close)});
}

ProcessWatch::ProcessWatch(const Napi::CallbackInfo &info) : Napi::ObjectWrap<ProcessWatch>(info)
{
    Napi::Env env = info.Env();

    if (info.Length() < 1 || !info[0].IsFunction()) {
        throw Napi::TypeError::New(env, "onEnd must be a function");
    }
    UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    if (epoll.get() < 0) {
        throw SystemError(env, errno, "epoll_create1");
    }
    UniqueFd stop = StopEvent(env);
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = kStopToken;
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) != 0) {
        throw SystemError(env, errno, "epoll_ctl");
    }
    Ref(); /* as WatchThread::Start() asks for */
    thread_.Start(env, info[0].As<Napi::Function>(), "vfring process end", epoll, stop,
                  [this]() { Run(); });
}

void ProcessWatch::Run()
{
    for (;;) {
        struct epoll_event event = {};
        int count = epoll_wait(thread_.source(), &event, 1, -1);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || event.data.u64 == kStopToken) {
            break;
        }
        uint64_t token = event.data.u64;
        thread_.Call([token](Napi::Env env) {
            return Napi::Number::New(env, static_cast<double>(token));
        });
    }
}

Napi::Value ProcessWatch::Add(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int pidfd = static_cast<int>(IntArg(info, 0, "pidfd"));

    if (thread_.source() < 0) {
        throw SystemError(env, EBADF, "watch a process after close");
    }
    struct epoll_event event = {};
    /* A pidfd stays readable for ever once its process has ended. */
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.u64 = next_token_;
    if (epoll_ctl(thread_.source(), EPOLL_CTL_ADD, pidfd, &event) != 0) {
        throw SystemError(env, errno, "epoll_ctl");
    }
    watched_[next_token_] = pidfd;
    return Napi::Number::New(env, static_cast<double>(next_token_++));
}

Napi::Value ProcessWatch::Remove(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    auto found = watched_.find(static_cast<uint64_t>(IntArg(info, 0, "token")));

    if (found == watched_.end()) {
        return Napi::Boolean::New(env, false);
    }
    int pidfd = found->second;
    watched_.erase(found);
    if (thread_.source() >= 0 &&
        epoll_ctl(thread_.source(), EPOLL_CTL_DEL, pidfd, nullptr) != 0) {
        throw SystemError(env, errno, "epoll_ctl");
    }
    return Napi::Boolean::New(env, true);
}

Napi::Value ProcessWatch::Close(const Napi::CallbackInfo &info)
{
    thread_.Stop();
    return info.Env().Undefined();
}

Napi::Value PidfdEnded(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    struct pollfd pfd = {static_cast<int>(IntArg(info, 0, "pidfd")), POLLIN, 0};

    if (poll(&pfd, 1, 0) < 0) {
        throw SystemError(env, errno, "poll");
    }
    if ((pfd.revents & POLLNVAL) != 0) {
        throw SystemError(env, EBADF, "poll");
    }
    return Napi::Boolean::New(env, (pfd.revents & POLLIN) != 0);
}

} // namespace

void DefineProcessWatch(Napi::Env env, Napi::Object exports)
{
    exports.Set("ProcessWatch", ProcessWatch::Define(env));
    exports.Set("pidfdEnded", Napi::Function::New(env, PidfdEnded, "pidfdEnded"));
}

} // namespace vfring
