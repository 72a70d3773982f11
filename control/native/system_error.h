/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFRING_SYSTEM_ERROR_H
#define VFRING_SYSTEM_ERROR_H

#include <napi.h>

#include <string>

namespace vfring {

/**
 * A JavaScript Error for a failed system call, shaped as node's own are:
 * `code` ("EPERM"), `errno` (positive) and `syscall`.
 *
 * @param err errno of the call
 * @param syscall its name, and what it was called on
 */
Napi::Error SystemError(Napi::Env env, int err, const char *syscall,
                        const std::string &subject = "");

/** A file descriptor that is closed when it goes out of scope. */
class UniqueFd {
public:
    explicit UniqueFd(int fd) : fd_(fd) {}
    ~UniqueFd();
    UniqueFd(const UniqueFd &) = delete;
    UniqueFd &operator=(const UniqueFd &) = delete;
    int get() const { return fd_; }
    int release()
    {
        int fd = fd_;
        fd_ = -1;
        return fd;
    }

private:
    int fd_;
};

/** Argument @p index as an integer, or a TypeError that names it. */
int64_t IntArg(const Napi::CallbackInfo &info, size_t index, const char *name);
std::string StringArg(const Napi::CallbackInfo &info, size_t index, const char *name);

} // namespace vfring

#endif
