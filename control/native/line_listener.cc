/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A UNIX stream socket that takes one line from each client and hands it to
 * JavaScript together with who sent it.
 *
 * node's own sockets cost more than everything else that is done for a client
 * of one line, and take one connection in a turn of the event loop. Here one
 * thread accepts and reads, whoever comes and however slowly, and JavaScript
 * is woken when lines are whole, with all of them at once.
 * The thread is LineThread (line_thread.h); here is its JavaScript side, of
 * which a connection is from when its line is whole until it is answered.
 */
#include "exports.h"
#include "line_thread.h"
#include "system_error.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace vfring {

namespace {

using Millis = std::chrono::milliseconds;

class LineListener : public Napi::ObjectWrap<LineListener> {
public:
    static Napi::Function Define(Napi::Env env);
    explicit LineListener(const Napi::CallbackInfo &info);

private:
    Napi::Value Take(const Napi::CallbackInfo &info);
    Napi::Value Held(const Napi::CallbackInfo &info);
    Napi::Value StartTicks(const Napi::CallbackInfo &info);
    Napi::Value Answer(const Napi::CallbackInfo &info);
    Napi::Value Close(const Napi::CallbackInfo &info);
    LineTaken &Find(const Napi::CallbackInfo &info, int *fd);

    std::map<int, LineTaken> unanswered_; /* by descriptor */
    Napi::ThreadSafeFunction on_ready_;
    std::unique_ptr<LineThread> thread_;
};

Napi::Function LineListener::Define(Napi::Env env)
{
    return DefineClass(env, "LineListener",
                       {InstanceMethod("take", &LineListener::Take),
                        InstanceMethod("held", &LineListener::Held),
                        InstanceMethod("startTicks", &LineListener::StartTicks),
                        InstanceMethod("answer", &LineListener::Answer),
                        InstanceMethod("close", &LineListener::Close)});
}

/* A socket at a path where none is, which every user may connect to. */
int ListenAt(Napi::Env env, const std::string &path)
{
    struct sockaddr_un address = {};

    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        throw SystemError(env, ENAMETOOLONG, "bind", path);
    }
    memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) {
        throw SystemError(env, errno, "socket");
    }
    if (bind(fd.get(), reinterpret_cast<struct sockaddr *>(&address), sizeof(address)) != 0) {
        throw SystemError(env, errno, "bind", path);
    }
    /* The umask takes bits from what bind() makes. */
    if (chmod(path.c_str(), 0666) != 0) {
        throw SystemError(env, errno, "chmod", path);
    }
    if (listen(fd.get(), SOMAXCONN) != 0) {
        throw SystemError(env, errno, "listen", path);
    }
    return fd.release();
}

/* The limit of that name. */
int64_t Limit(const Napi::Object &limits, const char *name)
{
    Napi::Value value = limits.Get(name);

    if (!value.IsNumber()) {
        throw Napi::TypeError::New(limits.Env(), std::string(name) + " must be a number");
    }
    return value.As<Napi::Number>().Int64Value();
}

/* new LineListener(path, limits, onReady) */
LineListener::LineListener(const Napi::CallbackInfo &info)
    : Napi::ObjectWrap<LineListener>(info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");

    if (info.Length() < 3 || !info[1].IsObject() || !info[2].IsFunction()) {
        throw Napi::TypeError::New(env, "limits must be an object and onReady a function");
    }
    Napi::Object given = info[1].As<Napi::Object>();
    LineLimits limits = {};
    limits.line_bytes = static_cast<size_t>(Limit(given, "lineBytes"));
    limits.silence = Millis(Limit(given, "silenceMs"));
    limits.line = Millis(Limit(given, "lineMs"));
    limits.per_uid = static_cast<uint32_t>(Limit(given, "perUid"));
    limits.together = static_cast<size_t>(Limit(given, "together"));
    limits.pause = std::chrono::microseconds(Limit(given, "pauseUs"));
    UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    if (epoll.get() < 0) {
        throw SystemError(env, errno, "epoll_create1");
    }
    UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (wake.get() < 0) {
        throw SystemError(env, errno, "eventfd");
    }
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = wake.get();
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
        throw SystemError(env, errno, "epoll_ctl");
    }
    UniqueFd listening(ListenAt(env, path));
    on_ready_ =
        Napi::ThreadSafeFunction::New(env, info[2].As<Napi::Function>(), "vfring line", 0, 1);
    on_ready_.Unref(env);
    /* Alive as long as its environment: the hook below holds a plain pointer. */
    Ref();
    thread_ = std::make_unique<LineThread>(
        listening.release(), epoll.release(), wake.release(), limits,
        [this]() { on_ready_.BlockingCall(); }, [this]() { on_ready_.Release(); });
    env.AddCleanupHook([this]() { thread_->Stop(); });
}

/*
 * take(most): {requests: [{fd, pid, uid, gid, line or fault}], undelivered: [{pid, tag}]}.
 * Each request is the caller's to answer.
 */
Napi::Value LineListener::Take(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::vector<LineRequest> ready;
    std::vector<LineUndelivered> undelivered;

    thread_->Take(static_cast<size_t>(IntArg(info, 0, "most")), &ready, &undelivered);
    Napi::Array requests = Napi::Array::New(env, ready.size());
    /* Made once for all of them: making the name of a property costs more than setting it. */
    Napi::String fd_key = Napi::String::New(env, "fd");
    Napi::String pid_key = Napi::String::New(env, "pid");
    Napi::String uid_key = Napi::String::New(env, "uid");
    Napi::String gid_key = Napi::String::New(env, "gid");
    Napi::String line_key = Napi::String::New(env, "line");
    Napi::String fault_key = Napi::String::New(env, "fault");
    for (size_t i = 0; i < ready.size(); i++) {
        const LineRequest &request = ready[i];
        Napi::Object one = Napi::Object::New(env);

        one.Set(fd_key, Napi::Number::New(env, request.fd));
        one.Set(pid_key, Napi::Number::New(env, request.taken.peer.pid));
        one.Set(uid_key, Napi::Number::New(env, request.taken.peer.uid));
        one.Set(gid_key, Napi::Number::New(env, request.taken.peer.gid));
        if (request.fault != nullptr) {
            one.Set(fault_key, Napi::String::New(env, request.fault));
        } else {
            /* A character for each byte: what they mean is seen to there. */
            napi_value line;
            if (napi_create_string_latin1(env, request.line.data(), request.line.size(), &line) !=
                napi_ok) {
                throw Napi::Error::New(env);
            }
            one.Set(line_key, line);
        }
        requests.Set(static_cast<uint32_t>(i), one);
        unanswered_[request.fd] = request.taken;
    }
    Napi::Array lost = Napi::Array::New(env, undelivered.size());
    for (size_t i = 0; i < undelivered.size(); i++) {
        Napi::Object one = Napi::Object::New(env);

        one.Set("pid", Napi::Number::New(env, undelivered[i].pid));
        one.Set("tag", Napi::String::New(env, undelivered[i].tag));
        lost.Set(static_cast<uint32_t>(i), one);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("requests", requests);
    out.Set("undelivered", lost);
    return out;
}

/* The request of the first argument, which is its descriptor. */
LineTaken &LineListener::Find(const Napi::CallbackInfo &info, int *fd)
{
    *fd = static_cast<int>(IntArg(info, 0, "fd"));
    auto found = unanswered_.find(*fd);

    if (found == unanswered_.end()) {
        throw SystemError(info.Env(), EBADF, "look for the request");
    }
    return found->second;
}

/* held(fd): a pidfd of the peer, the caller's from now on; null: not known. */
Napi::Value LineListener::Held(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd;
    LineTaken &taken = Find(info, &fd);

    if (taken.pidfd < 0) {
        return env.Null();
    }
    int pidfd = taken.pidfd;
    taken.pidfd = -1;
    return Napi::Number::New(env, pidfd);
}

/* startTicks(fd): when the peer started; null: not yet known. */
Napi::Value LineListener::StartTicks(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd;

    Find(info, &fd);
    long long ticks = thread_->StartTicks(fd);
    return ticks < 0 ? env.Null() : Napi::Number::New(env, static_cast<double>(ticks));
}

/* answer(fd, text, tag): the thread sends the text and closes. */
Napi::Value LineListener::Answer(const Napi::CallbackInfo &info)
{
    int fd;
    LineReply reply = {-1, Find(info, &fd), StringArg(info, 1, "text"), StringArg(info, 2, "tag")};

    reply.fd = fd;
    unanswered_.erase(fd);
    thread_->Answer(std::move(reply));
    return info.Env().Undefined();
}

/* close(): takes no more connections. Lines that are whole can still be taken and answered. */
Napi::Value LineListener::Close(const Napi::CallbackInfo &info)
{
    thread_->Stop();
    return info.Env().Undefined();
}

} // namespace

void DefineLineListener(Napi::Env env, Napi::Object exports)
{
    exports.Set("LineListener", LineListener::Define(env));
}

} // namespace vfring
