/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"
#include "system_error.h"

#include <cerrno>
#include <cstdio>

extern "C" {
#include "softvf_admin.h"
}

/*
 * In the daemon itself, not by running vfring-softvf: starting a process costs
 * the daemon more than everything else about a lease together. Nothing here
 * maps a file that a user owns, so none can do worse than to be unreadable.
 */
namespace vfring {

/** softvfCreate(dir, index, mac, mtu): @p mac as six pairs of hex digits with colons. */
Napi::Value SoftvfCreate(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string dir = StringArg(info, 0, "dir");
    std::string mac = StringArg(info, 2, "mac");
    struct softvf_admin_spec spec = {};
    unsigned byte[6];
    int used = 0;

    spec.index = static_cast<uint32_t>(IntArg(info, 1, "index"));
    spec.mtu_bytes = static_cast<uint32_t>(IntArg(info, 3, "mtu"));
    if (mac.size() != 17 ||
        sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
               &byte[4], &byte[5], &used) != 6 || used != 17) {
        throw Napi::TypeError::New(env, "mac must be an address like 02:76:66:00:00:01");
    }
    for (int i = 0; i < 6; i++) {
        spec.mac[i] = static_cast<uint8_t>(byte[i]);
    }
    int rc = softvf_admin_create(dir.c_str(), &spec);
    if (rc != 0) {
        throw SystemError(env, -rc, "create a soft VF in", dir);
    }
    return env.Undefined();
}

/** softvfShow(path): what the file says, and whether a process drives the VF. */
Napi::Value SoftvfShow(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    struct softvf_admin_state state = {};
    int rc = softvf_admin_show(path.c_str(), &state);

    if (rc != 0) {
        throw SystemError(env, -rc, "read the soft VF", path);
    }
    char mac[18];
    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", state.mac[0], state.mac[1],
             state.mac[2], state.mac[3], state.mac[4], state.mac[5]);
    Napi::Object out = Napi::Object::New(env);
    out.Set("mac", Napi::String::New(env, mac));
    out.Set("mtu", Napi::Number::New(env, state.mtu_bytes));
    out.Set("open", Napi::Boolean::New(env, state.open));
    out.Set("txFrames", Napi::Number::New(env, state.tx_frames));
    out.Set("rxFrames", Napi::Number::New(env, state.rx_frames));
    out.Set("txBytes", Napi::Number::New(env, state.tx_octets));
    out.Set("rxBytes", Napi::Number::New(env, state.rx_octets));
    return out;
}

/** softvfDestroy(path) */
Napi::Value SoftvfDestroy(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    int rc = softvf_admin_destroy(path.c_str());

    if (rc != 0) {
        throw SystemError(env, -rc, "destroy the soft VF", path);
    }
    return env.Undefined();
}

} // namespace vfring
