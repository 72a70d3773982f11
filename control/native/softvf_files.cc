/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of soft VFs, by the functions of btl/softvf that the tool vfring-softvf
 * calls, too: what a lease needs at its end takes no process.
 */
#include "exports.h"
#include "system_error.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "softvf_admin.h"

namespace vfring {

/* EPROTO has a text of its own: "Protocol error" tells nobody anything. */
static Napi::Error Failed(Napi::Env env, int rc, const char *what, const std::string &path)
{
    if (rc == -EPROTO) {
        Napi::Error error = SystemError(env, EPROTO, what, path);
        error.Set("message", Napi::String::New(env, path + ": not a soft VF of this version"));
        return error;
    }
    return SystemError(env, -rc, what, path);
}

/** softVfCreate(dir, index, mac, mtu, model): @p mac as text, which the caller keeps apart from others. */
Napi::Value SoftVfCreate(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string dir = StringArg(info, 0, "dir");
    std::string mac = StringArg(info, 2, "mac");
    std::string model = StringArg(info, 4, "model");
    struct softvf_admin_spec spec = {};
    unsigned byte[6] = {};
    int used = 0;

    spec.index = static_cast<uint32_t>(IntArg(info, 1, "index"));
    spec.mtu_bytes = static_cast<uint32_t>(IntArg(info, 3, "mtu"));
    spec.mac_is_unique = true;
    spec.model = model.c_str();
    if (mac.size() != 17 ||
        sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
               &byte[4], &byte[5], &used) != 6 ||
        used != 17 || (byte[0] & 1) != 0) {
        throw Napi::TypeError::New(env, "mac must be a unicast address like 02:76:66:00:00:01");
    }
    for (int i = 0; i < 6; i++) {
        spec.mac[i] = static_cast<uint8_t>(byte[i]);
    }
    int rc = softvf_admin_create(dir.c_str(), &spec);
    if (rc != 0) {
        throw Failed(env, rc, "create a soft VF", dir);
    }
    return env.Undefined();
}

/** softVfShow(path): its MAC, MTU, model, whether it is open, and its counters. */
Napi::Value SoftVfShow(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    struct softvf_admin_state state = {};
    char mac[18];

    int rc = softvf_admin_look(path.c_str(), &state);
    if (rc != 0) {
        throw Failed(env, rc, "read a soft VF", path);
    }
    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", state.mac[0], state.mac[1],
             state.mac[2], state.mac[3], state.mac[4], state.mac[5]);
    Napi::Object counters = Napi::Object::New(env);
    counters.Set("txFrames", Napi::Number::New(env, state.tx_frames));
    counters.Set("rxFrames", Napi::Number::New(env, state.rx_frames));
    counters.Set("txBytes", Napi::Number::New(env, state.tx_bytes));
    counters.Set("rxBytes", Napi::Number::New(env, state.rx_bytes));
    Napi::Object out = Napi::Object::New(env);
    out.Set("mac", Napi::String::New(env, mac));
    out.Set("mtu", Napi::Number::New(env, state.mtu_bytes));
    out.Set("model", Napi::String::New(env, state.model));
    out.Set("segment", Napi::String::New(env, state.segment));
    out.Set("open", Napi::Boolean::New(env, state.open));
    out.Set("counters", counters);
    return out;
}

/** softVfDestroy(path): who has it open sees its link go down for ever. */
Napi::Value SoftVfDestroy(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");

    int rc = softvf_admin_destroy(path.c_str());
    if (rc != 0) {
        throw Failed(env, rc, "remove a soft VF", path);
    }
    return env.Undefined();
}

/**
 * lookAtFile(path): {uid, mode, locked}: whose it is, its permission bits, and
 * whether somebody holds flock(2) on it. The own lock is held for an instant.
 */
Napi::Value LookAtFile(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));

    if (fd.get() < 0) {
        throw SystemError(env, errno, "open", path);
    }
    struct stat st = {};
    if (fstat(fd.get(), &st) != 0) {
        throw SystemError(env, errno, "fstat", path);
    }
    bool locked = flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
    if (locked && errno != EWOULDBLOCK) {
        throw SystemError(env, errno, "flock", path);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("uid", Napi::Number::New(env, st.st_uid));
    out.Set("mode", Napi::Number::New(env, st.st_mode & 07777));
    out.Set("locked", Napi::Boolean::New(env, locked));
    return out;
}

} // namespace vfring
