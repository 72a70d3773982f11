/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"
#include "system_error.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

#include "vfio_group.h"

namespace vfring {

/** vfioProbe(path): could the IOMMU group be opened now? No function of it is touched. */
Napi::Value VfioProbe(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    int ret = vfring_vfio_probe(path.c_str());

    if (ret != 0) {
        throw SystemError(env, -ret, ret == -EPERM ? "have the group alone" : "open", path);
    }
    return env.Undefined();
}

static std::vector<std::string> StringsArg(const Napi::CallbackInfo &info, size_t index, const char *name)
{
    std::vector<std::string> out;

    if (info.Length() <= index || !info[index].IsArray()) {
        throw Napi::TypeError::New(info.Env(), std::string(name) + " must be an array of strings");
    }
    Napi::Array list = info[index].As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
        Napi::Value value = list[i];

        if (!value.IsString()) {
            throw Napi::TypeError::New(info.Env(), std::string(name) + " must be an array of strings");
        }
        out.push_back(value.As<Napi::String>().Utf8Value());
    }
    return out;
}

/* Opening resets each function, and the kernel waits for 100 ms and more: not on node's thread. */
class OpenWorker : public Napi::AsyncWorker {
public:
    OpenWorker(Napi::Env env, std::vector<std::string> groups, std::vector<std::string> names)
        : AsyncWorker(env), deferred_(env), groups_(std::move(groups)), names_(std::move(names)),
          devices_(names_.size(), -1)
    {
    }

    Napi::Promise Promise() const { return deferred_.Promise(); }

    void Execute() override
    {
        std::vector<const char *> groups, names;

        for (size_t i = 0; i < names_.size(); i++) {
            groups.push_back(groups_[i].c_str());
            names.push_back(names_[i].c_str());
        }
        result_ = vfring_vfio_open(groups.data(), names.data(), static_cast<unsigned>(names.size()), &container_,
                                   devices_.data(), &failure_);
    }

    void OnOK() override
    {
        Napi::Env env = Env();
        Napi::HandleScope scope(env);

        if (result_ != 0) {
            Napi::Error error = SystemError(env, -result_, vfring_vfio_step_text(failure_.step), names_[failure_.index]);

            error.Set("index", Napi::Number::New(env, failure_.index));
            deferred_.Reject(error.Value());
            return;
        }
        Napi::Array out = Napi::Array::New(env, devices_.size() + 1);
        out[0u] = Napi::Number::New(env, container_);
        for (uint32_t i = 0; i < devices_.size(); i++) {
            out[i + 1] = Napi::Number::New(env, devices_[i]);
        }
        deferred_.Resolve(out);
    }

private:
    Napi::Promise::Deferred deferred_;
    std::vector<std::string> groups_;
    std::vector<std::string> names_;
    std::vector<int> devices_;
    int container_ = -1;
    int result_ = 0;
    struct vfring_vfio_failure failure_ = {};
};

/** vfioOpen(groups, names): a promise of the container's descriptor and those of the functions. */
Napi::Value VfioOpen(const Napi::CallbackInfo &info)
{
    std::vector<std::string> groups = StringsArg(info, 0, "groups");
    std::vector<std::string> names = StringsArg(info, 1, "names");

    if (groups.empty() || groups.size() != names.size()) {
        throw Napi::TypeError::New(info.Env(), "there must be a group for each name, and one at least");
    }
    OpenWorker *worker = new OpenWorker(info.Env(), std::move(groups), std::move(names));
    Napi::Promise promise = worker->Promise();
    worker->Queue(); /* it deletes itself */
    return promise;
}

/** sendDescriptors(socket, text, descriptors): as much of the text as goes at once, with all descriptors. */
Napi::Value SendDescriptors(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int socket = static_cast<int>(IntArg(info, 0, "socket"));
    std::vector<int> fds;

    if (info.Length() < 2 || !info[1].IsBuffer()) {
        throw Napi::TypeError::New(env, "text must be a buffer");
    }
    Napi::Buffer<char> text = info[1].As<Napi::Buffer<char>>();
    if (info.Length() < 3 || !info[2].IsArray()) {
        throw Napi::TypeError::New(env, "descriptors must be an array of numbers");
    }
    Napi::Array list = info[2].As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
        Napi::Value value = list[i];

        if (!value.IsNumber()) {
            throw Napi::TypeError::New(env, "descriptors must be an array of numbers");
        }
        fds.push_back(value.As<Napi::Number>().Int32Value());
    }
    if (text.Length() == 0 || fds.empty()) {
        throw Napi::TypeError::New(env, "there must be a text, and a descriptor at least");
    }
    size_t bytes = fds.size() * sizeof(int);
    std::vector<char> control(CMSG_SPACE(bytes), 0);
    struct iovec iov = { text.Data(), text.Length() };
    struct msghdr message = {};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(cmsg), fds.data(), bytes);
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        throw SystemError(env, errno, "sendmsg");
    }
    return Napi::Number::New(env, static_cast<double>(sent));
}

} // namespace vfring
