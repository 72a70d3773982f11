/* SPDX-License-Identifier: BSD-3-Clause */
#include "system_error.h"

#include <cstring>
#include <unistd.h>

namespace vfring {

Napi::Error SystemError(Napi::Env env, int err, const char *syscall, const std::string &subject)
{
    const char *name = strerrorname_np(err);
    std::string code = name != nullptr ? name : "E" + std::to_string(err);
    std::string message = code + ": " + strerror(err) + ", " + syscall;

    if (!subject.empty()) {
        message += " '" + subject + "'";
    }
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    error.Set("errno", Napi::Number::New(env, err));
    error.Set("syscall", Napi::String::New(env, syscall));
    return error;
}

UniqueFd::~UniqueFd()
{
    if (fd_ >= 0) {
        close(fd_);
    }
}

int64_t IntArg(const Napi::CallbackInfo &info, size_t index, const char *name)
{
    if (info.Length() <= index || !info[index].IsNumber()) {
        throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a number");
    }
    return info[index].As<Napi::Number>().Int64Value();
}

std::string StringArg(const Napi::CallbackInfo &info, size_t index, const char *name)
{
    if (info.Length() <= index || !info[index].IsString()) {
        throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a string");
    }
    std::string value = info[index].As<Napi::String>().Utf8Value();
    /* A path is cut at its first NUL by the kernel: never act on half a name. */
    if (value.find('\0') != std::string::npos) {
        throw Napi::TypeError::New(info.Env(), std::string(name) + " must not contain a NUL");
    }
    return value;
}

} // namespace vfring
