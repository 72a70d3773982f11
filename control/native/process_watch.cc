/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls back when a process ends.
 *
 * One thread waits in epoll for all pidfds of an environment.
 *
 * Who owns what: the JavaScript side owns each pidfd and takes it out of the
 * watch before it closes it. The thread owns nothing but its epoll entry; it
 * names a watch by a token that is never used twice, so an event that was
 * under way when a watch was removed finds nothing and is dropped.
 */
#include "exports.h"
#include "stoppable_thread.h"
#include "system_error.h"

#include <cerrno>
#include <map>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace vfring {

namespace {

constexpr uint64_t kStopToken = 0;

class ProcessWatch : public Napi::ObjectWrap<ProcessWatch> {
public:
    static Napi::Function Define(Napi::Env env);
    explicit ProcessWatch(const Napi::CallbackInfo &info);
    ~ProcessWatch() override { Stop(); }

private:
    Napi::Value Add(const Napi::CallbackInfo &info);
    Napi::Value Remove(const Napi::CallbackInfo &info);
    Napi::Value Close(const Napi::CallbackInfo &info);
    void Run();
    void Stop();

    int epoll_fd_ = -1;
    uint64_t next_token_ = 1;
    std::map<uint64_t, int> watched_; /* token to pidfd; JS thread only */
    Napi::ThreadSafeFunction on_end_;
    StoppableThread thread_;
};

Napi::Function ProcessWatch::Define(Napi::Env env)
{
    return DefineClass(env, "ProcessWatch",
                       {InstanceMethod("add", &ProcessWatch::Add),
                        InstanceMethod("remove", &ProcessWatch::Remove),
                        InstanceMethod("close", &ProcessWatch::Close)});
}

ProcessWatch::ProcessWatch(const Napi::CallbackInfo &info)
    : Napi::ObjectWrap<ProcessWatch>(info), thread_(info.Env())
{
    Napi::Env env = info.Env();

    if (info.Length() < 1 || !info[0].IsFunction()) {
        throw Napi::TypeError::New(env, "onEnd must be a function");
    }
    UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    if (epoll.get() < 0) {
        throw SystemError(env, errno, "epoll_create1");
    }
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = kStopToken;
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, thread_.stop_fd(), &event) != 0) {
        throw SystemError(env, errno, "epoll_ctl");
    }
    epoll_fd_ = epoll.release();
    on_end_ = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "vfring process end",
                                            0, 1);
    /* Watching alone is no reason for the program to go on. */
    on_end_.Unref(env);
    /* Alive as long as its environment: the hook below holds a plain pointer. */
    Ref();
    env.AddCleanupHook([this]() { Stop(); });
    thread_.Start([this]() { Run(); });
}

void ProcessWatch::Run()
{
    for (;;) {
        struct epoll_event event = {};
        int count = epoll_wait(epoll_fd_, &event, 1, -1);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || event.data.u64 == kStopToken) {
            break;
        }
        uint64_t token = event.data.u64;
        on_end_.BlockingCall([token](Napi::Env env, Napi::Function callback) {
            callback.Call({Napi::Number::New(env, static_cast<double>(token))});
        });
    }
    on_end_.Release();
}

void ProcessWatch::Stop()
{
    if (thread_.Stop()) {
        close(epoll_fd_);
        epoll_fd_ = -1;
    }
}

Napi::Value ProcessWatch::Add(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int pidfd = static_cast<int>(IntArg(info, 0, "pidfd"));

    if (epoll_fd_ < 0) {
        throw SystemError(env, EBADF, "watch a process after close");
    }
    struct epoll_event event = {};
    /* A pidfd stays readable for ever once its process has ended. */
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.u64 = next_token_;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, pidfd, &event) != 0) {
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
    if (epoll_fd_ >= 0 && epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, pidfd, nullptr) != 0) {
        throw SystemError(env, errno, "epoll_ctl");
    }
    return Napi::Boolean::New(env, true);
}

Napi::Value ProcessWatch::Close(const Napi::CallbackInfo &info)
{
    Stop();
    return info.Env().Undefined();
}

Napi::Value PidfdEnded(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    struct pollfd pfd = {static_cast<int>(IntArg(info, 0, "pidfd")), POLLIN, 0};

    /* A signal may come also while nothing is waited for. */
    while (poll(&pfd, 1, 0) < 0) {
        if (errno != EINTR) {
            throw SystemError(env, errno, "poll");
        }
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
