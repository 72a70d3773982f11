/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFRING_STOPPABLE_THREAD_H
#define VFRING_STOPPABLE_THREAD_H

#include "system_error.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace vfring {

/**
 * A thread that waits for descriptors, one of which tells it to end. It is a
 * thread and not a handle on node's own loop because libuv's header is not part
 * of the Node-API: an addon that used it would be tied to one node release.
 */
class StoppableThread {
public:
    /** Throws when there is no descriptor to be had. */
    explicit StoppableThread(Napi::Env env) : stop_fd_(eventfd(0, EFD_CLOEXEC))
    {
        if (stop_fd_.get() < 0) {
            throw SystemError(env, errno, "eventfd");
        }
    }
    ~StoppableThread() { Stop(); }

    /** Readable from Stop() on; what the thread runs returns then. */
    int stop_fd() const { return stop_fd_.get(); }

    template <typename Run> void Start(Run run) { thread_ = std::thread(run); }

    /** Waits until the thread has ended, and closes the descriptor. False: that was done, or it was never started. */
    bool Stop()
    {
        if (!thread_.joinable()) {
            return false;
        }
        uint64_t one = 1;
        /* An eventfd at 0 takes a 1: this write cannot fail or block. */
        ssize_t written = write(stop_fd_.get(), &one, sizeof(one));
        (void)written;
        thread_.join();
        close(stop_fd_.release());
        return true;
    }

private:
    UniqueFd stop_fd_;
    std::thread thread_;
};

} // namespace vfring

#endif
