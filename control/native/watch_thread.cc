/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch_thread.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace vfring {

UniqueFd StopEvent(Napi::Env env)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0) {
        throw SystemError(env, errno, "eventfd");
    }
    return UniqueFd(fd);
}

void WatchThread::Start(Napi::Env env, Napi::Function callback, const char *name,
                        UniqueFd &source, UniqueFd &stop, std::function<void()> wait)
{
    callback_ = Napi::ThreadSafeFunction::New(env, callback, name, 0, 1);
    callback_.Unref(env);
    source_ = source.release();
    stop_ = stop.release();
    env.AddCleanupHook([this]() { Stop(); });
    thread_ = std::thread([this, wait = std::move(wait)]() {
        wait();
        callback_.Release();
    });
}

void WatchThread::Stop()
{
    if (!thread_.joinable()) {
        return;
    }
    uint64_t one = 1;
    /* An eventfd at 0 takes a 1: this write cannot fail or block. */
    ssize_t written = write(stop_, &one, sizeof(one));
    (void)written;
    thread_.join();
    close(source_);
    close(stop_);
    source_ = stop_ = -1;
}

} // namespace vfring
