/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A thread that waits for the kernel and calls JavaScript back.
 *
 * It is a thread and not a handle on node's own loop because libuv's header is
 * not part of the Node-API: an addon that used it would be tied to one node
 * release.
 */
#ifndef VFRING_WATCH_THREAD_H
#define VFRING_WATCH_THREAD_H

#include "system_error.h"

#include <functional>
#include <thread>

namespace vfring {

/** An eventfd that ends a wait, or a SystemError. */
UniqueFd StopEvent(Napi::Env env);

/** Member of an object that lives as long as its environment: see Start(). */
class WatchThread {
public:
    WatchThread() = default;
    ~WatchThread() { Stop(); }
    WatchThread(const WatchThread &) = delete;
    WatchThread &operator=(const WatchThread &) = delete;

    /**
     * Runs @p wait on the new thread; it must return once @p stop is readable.
     * Takes both file descriptors over. Watching alone is no reason for the
     * program to go on. The environment's end calls Stop() through a plain
     * pointer: the owner must Ref() itself.
     */
    void Start(Napi::Env env, Napi::Function callback, const char *name, UniqueFd &source,
               UniqueFd &stop, std::function<void()> wait);

    /** Ends the thread and closes its file descriptors; may be called again. JS thread only. */
    void Stop();

    /** What the thread waits for, -1 when it has been stopped. */
    int source() const { return source_; }
    int stop() const { return stop_; }

    /** On the thread: calls the function with what @p argument makes on the JS thread. */
    template <typename Argument> void Call(Argument argument)
    {
        callback_.BlockingCall([argument](Napi::Env env, Napi::Function callback) {
            callback.Call({argument(env)});
        });
    }

private:
    int source_ = -1;
    int stop_ = -1;
    Napi::ThreadSafeFunction callback_;
    std::thread thread_;
};

} // namespace vfring

#endif
