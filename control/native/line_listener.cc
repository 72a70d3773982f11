/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A UNIX stream socket that takes one line from each client and hands it to
 * JavaScript together with who sent it.
 *
 * node's own sockets cost more than everything else that is done for a client
 * of one line, and take one connection in a turn of the event loop. Here one
 * thread accepts and reads, whoever comes and however slowly, and JavaScript
 * is woken when lines are whole, with all of them at once.
 *
 * Who owns what: a connection is the thread's until its line is whole or its
 * client has forfeited it, and JavaScript's until it is answered. The thread
 * sends and closes, while JavaScript serves the next. Only what goes from one
 * side to the other, and how many connections each user has, is under the lock.
 */
#include "exports.h"
#include "system_error.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace vfring {

namespace {

using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;

/* Between two tries when the process has no descriptor left. */
constexpr Millis kNoDescriptorsPause{100};
/* So many are accepted before those whose lines are whole are handed over. */
constexpr int kAcceptsInARow = 8;

struct Limits {
    size_t line_bytes; /* with the newline */
    Millis silence;
    Millis line;
    uint32_t per_uid;
};

struct Connection {
    int fd;
    struct ucred peer;
    Clock::time_point whole_by;
    Clock::time_point deadline;
    std::string text;
};

/* A connection that is JavaScript's. */
struct Taken {
    struct ucred peer;
    int pidfd;             /* of the peer; -1: not known, or given away */
    long long start_ticks; /* when the peer started */
};

struct Request {
    int fd;
    Taken taken;
    const char *fault; /* of LineFault in native.ts; nullptr: none */
    std::string line;  /* without its newline */
};

struct Reply {
    int fd;
    Taken taken;
    std::string text;
    std::string tag; /* comes back when the text cannot be delivered */
};

struct Undelivered {
    pid_t pid;
    std::string tag;
};

class LineListener : public Napi::ObjectWrap<LineListener> {
public:
    static Napi::Function Define(Napi::Env env);
    explicit LineListener(const Napi::CallbackInfo &info);
    ~LineListener() override { Stop(); }

private:
    Napi::Value Take(const Napi::CallbackInfo &info);
    Napi::Value Held(const Napi::CallbackInfo &info);
    Napi::Value Answer(const Napi::CallbackInfo &info);
    Napi::Value Close(const Napi::CallbackInfo &info);
    void Stop();
    void Wake();
    void Send(Reply &reply);
    Taken &Find(const Napi::CallbackInfo &info, int *fd);

    /* The thread's. */
    void Run();
    int TimeoutMs(Clock::time_point now) const;
    bool Accept();
    void Welcome(int fd);
    bool Read(Connection &connection);
    void Watch(Connection &&connection);
    void SetDeadline(Connection &connection);
    void Expire(Clock::time_point now);
    void HandOver(const Connection &connection, const char *fault, size_t line_length);
    void Tell();
    void SendAll();
    void Forget(const struct ucred &peer);
    void Listen(bool on);

    Limits limits_ = {};
    int listen_fd_ = -1;
    int epoll_fd_ = -1;
    int wake_fd_ = -1; /* there is something to send, or it is time to stop */
    bool listening_ = false;
    Clock::time_point listen_again_;
    std::map<int, Connection> reading_;                    /* by descriptor */
    std::set<std::pair<Clock::time_point, int>> deadline_; /* of those, the next first */
    std::vector<Request> whole_;

    std::mutex lock_;
    std::vector<Request> ready_;
    std::vector<Undelivered> undelivered_;
    std::vector<Reply> replies_;
    bool told_ = false;
    std::map<uid_t, uint32_t> connections_;

    std::map<int, Taken> unanswered_; /* JavaScript's */
    bool stopped_ = false;            /* under the lock */
    Napi::ThreadSafeFunction on_ready_;
    std::thread thread_;
};

Napi::Function LineListener::Define(Napi::Env env)
{
    return DefineClass(env, "LineListener",
                       {InstanceMethod("take", &LineListener::Take),
                        InstanceMethod("held", &LineListener::Held),
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

/* new LineListener(path, lineBytes, silenceMs, lineMs, perUid, onReady) */
LineListener::LineListener(const Napi::CallbackInfo &info)
    : Napi::ObjectWrap<LineListener>(info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");

    limits_.line_bytes = static_cast<size_t>(IntArg(info, 1, "lineBytes"));
    limits_.silence = Millis(IntArg(info, 2, "silenceMs"));
    limits_.line = Millis(IntArg(info, 3, "lineMs"));
    limits_.per_uid = static_cast<uint32_t>(IntArg(info, 4, "perUid"));
    if (info.Length() < 6 || !info[5].IsFunction()) {
        throw Napi::TypeError::New(env, "onReady must be a function");
    }
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
    listen_fd_ = ListenAt(env, path);
    epoll_fd_ = epoll.release();
    wake_fd_ = wake.release();
    on_ready_ =
        Napi::ThreadSafeFunction::New(env, info[5].As<Napi::Function>(), "vfring line", 0, 1);
    on_ready_.Unref(env);
    /* Alive as long as its environment: the hook below holds a plain pointer. */
    Ref();
    env.AddCleanupHook([this]() { Stop(); });
    thread_ = std::thread([this]() { Run(); });
}

void LineListener::Run()
{
    Listen(true);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll_fd_, events, 64, TimeoutMs(Clock::now()));

        if (count < 0 && errno != EINTR) {
            break;
        }
        bool woken = false;
        bool more = false;
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;

            if (fd == wake_fd_) {
                woken = true;
            } else if (fd == listen_fd_) {
                more = true;
            } else {
                auto found = reading_.find(fd);
                if (found != reading_.end() && !Read(found->second)) {
                    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
                    deadline_.erase({found->second.deadline, fd});
                    reading_.erase(found);
                }
            }
        }
        if (woken) {
            uint64_t times;
            ssize_t got = read(wake_fd_, &times, sizeof(times));
            (void)got; /* EAGAIN: an earlier round has seen to it */
            bool stopped;
            {
                std::lock_guard<std::mutex> guard(lock_);
                stopped = stopped_;
            }
            /* In this order: who stops has given all answers before. */
            SendAll();
            if (stopped) {
                break;
            }
        }
        Clock::time_point now = Clock::now();
        Expire(now);
        if (!listening_ && now >= listen_again_) {
            Listen(true);
        }
        if (more && !Accept()) {
            Listen(false);
            listen_again_ = now + kNoDescriptorsPause;
        }
        Tell();
    }
    for (const auto &[fd, connection] : reading_) {
        /* Its client is in the middle of its line: it has nothing to wait for. */
        close(fd);
    }
    reading_.clear();
    deadline_.clear();
    Tell();
    on_ready_.Release();
}

int LineListener::TimeoutMs(Clock::time_point now) const
{
    Clock::time_point next = Clock::time_point::max();

    if (!deadline_.empty()) {
        next = deadline_.begin()->first;
    }
    if (!listening_ && listen_again_ < next) {
        next = listen_again_;
    }
    if (next == Clock::time_point::max()) {
        return -1;
    }
    /* Rounded up: woken too early it would turn round and round until then. */
    auto ms = std::chrono::ceil<Millis>(next - now).count();
    return ms < 0 ? 0 : static_cast<int>(ms);
}

void LineListener::Listen(bool on)
{
    struct epoll_event event = {};

    event.events = EPOLLIN;
    event.data.fd = listen_fd_;
    listening_ =
        epoll_ctl(epoll_fd_, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listen_fd_, &event) == 0 && on;
}

/* False: there are no descriptors or no memory for more at this time. Those who wait do so in the backlog. */
bool LineListener::Accept()
{
    for (int i = 0; i < kAcceptsInARow; i++) {
        int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            Welcome(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return false;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    return true;
}

void LineListener::Welcome(int fd)
{
    Connection connection = {};
    socklen_t size = sizeof(connection.peer);

    connection.fd = fd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &connection.peer, &size) != 0) {
        close(fd);
        return;
    }
    uint32_t have;
    {
        std::lock_guard<std::mutex> guard(lock_);
        have = ++connections_[connection.peer.uid];
    }
    if (have > limits_.per_uid) {
        HandOver(connection, "too many connections", 0);
        return;
    }
    connection.whole_by = Clock::now() + limits_.line;
    connection.deadline = connection.whole_by;
    /* Most have sent their line by now. */
    if (Read(connection)) {
        Watch(std::move(connection));
    }
}

void LineListener::Watch(Connection &&connection)
{
    struct epoll_event event = {};
    int fd = connection.fd;

    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
        Forget(connection.peer);
        close(fd);
        return;
    }
    reading_.emplace(fd, std::move(connection));
    SetDeadline(reading_.at(fd));
}

void LineListener::SetDeadline(Connection &connection)
{
    deadline_.erase({connection.deadline, connection.fd});
    connection.deadline = std::min(Clock::now() + limits_.silence, connection.whole_by);
    deadline_.insert({connection.deadline, connection.fd});
}

/* Reads what is there. True while the line is not whole and its client may go on. */
bool LineListener::Read(Connection &connection)
{
    char chunk[4096];

    for (;;) {
        ssize_t got = recv(connection.fd, chunk, sizeof(chunk), 0);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            if (reading_.count(connection.fd) != 0) {
                SetDeadline(connection);
            }
            return true;
        }
        if (got < 0) {
            Forget(connection.peer);
            close(connection.fd);
            return false;
        }
        if (got == 0) {
            HandOver(connection, "ended early", 0);
            return false;
        }
        const void *newline = memchr(chunk, '\n', static_cast<size_t>(got));
        size_t before = connection.text.size();
        connection.text.append(chunk, static_cast<size_t>(got));
        if (newline == nullptr) {
            if (connection.text.size() >= limits_.line_bytes) {
                HandOver(connection, "too long", 0);
                return false;
            }
            continue;
        }
        size_t length = before + static_cast<size_t>(static_cast<const char *>(newline) - chunk);
        const char *fault = length >= limits_.line_bytes              ? "too long"
                            : connection.text.size() > length + 1 ? "more than a line"
                                                                      : nullptr;
        HandOver(connection, fault, length);
        return false;
    }
}

void LineListener::Expire(Clock::time_point now)
{
    while (!deadline_.empty() && deadline_.begin()->first <= now) {
        auto found = reading_.find(deadline_.begin()->second);

        deadline_.erase(deadline_.begin());
        epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, found->first, nullptr);
        HandOver(found->second, "silent", 0);
        reading_.erase(found);
    }
}

void LineListener::HandOver(const Connection &connection, const char *fault, size_t line_length)
{
    Taken taken = {connection.peer, -1, 0};

    if (fault == nullptr) {
        HoldPeer(connection.fd, connection.peer.pid, &taken.pidfd, &taken.start_ticks);
    }
    whole_.push_back({connection.fd, taken, fault,
                      fault == nullptr ? connection.text.substr(0, line_length) : ""});
}

/* JavaScript is called once for all that it has not taken yet. */
void LineListener::Tell()
{
    bool tell;
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (whole_.empty() && undelivered_.empty()) {
            return;
        }
        std::move(whole_.begin(), whole_.end(), std::back_inserter(ready_));
        tell = !told_;
        told_ = true;
    }
    whole_.clear();
    if (tell) {
        on_ready_.BlockingCall();
    }
}

void LineListener::SendAll()
{
    std::vector<Reply> replies;
    {
        std::lock_guard<std::mutex> guard(lock_);
        replies.swap(replies_);
    }
    for (Reply &reply : replies) {
        Send(reply);
    }
}

/*
 * Sends and closes. An answer is far smaller than a socket's buffer: who has
 * no room for it has not read what was sent before, or is gone.
 */
void LineListener::Send(Reply &reply)
{
    ssize_t sent;

    do {
        sent = send(reply.fd, reply.text.data(), reply.text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (reply.taken.pidfd >= 0) {
        close(reply.taken.pidfd);
    }
    Forget(reply.taken.peer);
    close(reply.fd);
    if (sent != static_cast<ssize_t>(reply.text.size()) && !reply.tag.empty()) {
        std::lock_guard<std::mutex> guard(lock_);
        undelivered_.push_back({reply.taken.peer.pid, std::move(reply.tag)});
    }
}

void LineListener::Forget(const struct ucred &peer)
{
    std::lock_guard<std::mutex> guard(lock_);
    auto found = connections_.find(peer.uid);

    if (--found->second == 0) {
        connections_.erase(found);
    }
}

/*
 * take(): {requests: [{fd, pid, uid, gid, line or fault}], undelivered: [{pid, tag}]}.
 * Each request is the caller's to answer.
 */
Napi::Value LineListener::Take(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::vector<Request> ready;
    std::vector<Undelivered> undelivered;
    {
        std::lock_guard<std::mutex> guard(lock_);
        ready.swap(ready_);
        undelivered.swap(undelivered_);
        told_ = false;
    }
    Napi::Array requests = Napi::Array::New(env, ready.size());
    for (size_t i = 0; i < ready.size(); i++) {
        const Request &request = ready[i];
        Napi::Object one = Napi::Object::New(env);

        one.Set("fd", Napi::Number::New(env, request.fd));
        one.Set("pid", Napi::Number::New(env, request.taken.peer.pid));
        one.Set("uid", Napi::Number::New(env, request.taken.peer.uid));
        one.Set("gid", Napi::Number::New(env, request.taken.peer.gid));
        if (request.fault != nullptr) {
            one.Set("fault", Napi::String::New(env, request.fault));
        } else {
            /* A character for each byte: what they mean is seen to there. */
            napi_value line;
            if (napi_create_string_latin1(env, request.line.data(), request.line.size(), &line) !=
                napi_ok) {
                throw Napi::Error::New(env);
            }
            one.Set("line", line);
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
Taken &LineListener::Find(const Napi::CallbackInfo &info, int *fd)
{
    *fd = static_cast<int>(IntArg(info, 0, "fd"));
    auto found = unanswered_.find(*fd);

    if (found == unanswered_.end()) {
        throw SystemError(info.Env(), EBADF, "look for the request");
    }
    return found->second;
}

/* held(fd): {pidfd, startTicks} of the peer, the pidfd being the caller's from now on; null: not known. */
Napi::Value LineListener::Held(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    int fd;
    Taken &taken = Find(info, &fd);

    if (taken.pidfd < 0) {
        return env.Null();
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("pidfd", Napi::Number::New(env, taken.pidfd));
    out.Set("startTicks", Napi::Number::New(env, static_cast<double>(taken.start_ticks)));
    taken.pidfd = -1;
    return out;
}

/* answer(fd, text, tag): the thread sends the text and closes. */
Napi::Value LineListener::Answer(const Napi::CallbackInfo &info)
{
    int fd;
    Reply reply = {-1, Find(info, &fd), StringArg(info, 1, "text"), StringArg(info, 2, "tag")};

    reply.fd = fd;
    unanswered_.erase(fd);
    if (!thread_.joinable()) {
        Send(reply);
        return info.Env().Undefined();
    }
    bool first;
    {
        std::lock_guard<std::mutex> guard(lock_);
        first = replies_.empty();
        replies_.push_back(std::move(reply));
    }
    if (first) {
        Wake();
    }
    return info.Env().Undefined();
}

void LineListener::Wake()
{
    uint64_t one = 1;
    ssize_t written = write(wake_fd_, &one, sizeof(one));
    (void)written; /* EAGAIN: it has been woken as often as it can be */
}

void LineListener::Stop()
{
    if (!thread_.joinable()) {
        return;
    }
    {
        std::lock_guard<std::mutex> guard(lock_);
        stopped_ = true;
    }
    Wake();
    thread_.join();
    close(listen_fd_);
    close(epoll_fd_);
    close(wake_fd_);
    listen_fd_ = epoll_fd_ = wake_fd_ = -1;
}

/* close(): takes no more connections. Lines that are whole can still be taken and answered. */
Napi::Value LineListener::Close(const Napi::CallbackInfo &info)
{
    Stop();
    return info.Env().Undefined();
}

} // namespace

void DefineLineListener(Napi::Env env, Napi::Object exports)
{
    exports.Set("LineListener", LineListener::Define(env));
}

} // namespace vfring
