/* SPDX-License-Identifier: BSD-3-Clause */
#include "line_thread.h"
#include "peer_process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace vfring {

namespace {

using Millis = std::chrono::milliseconds;

/* Between two tries when the process has no descriptor left. */
constexpr Millis kNoDescriptorsPause{100};
/* So many are accepted before those whose lines are whole are handed over. */
constexpr int kAcceptsInARow = 8;
/* So many processes' starts are read before those who come or are answered have their turn. */
constexpr size_t kStartsInARow = 4;

} // namespace

LineThread::LineThread(int listen_fd, int epoll_fd, int wake_fd, const LineLimits &limits,
                       std::function<void()> ready, std::function<void()> over)
    : limits_(limits), listen_fd_(listen_fd), epoll_fd_(epoll_fd), wake_fd_(wake_fd),
      ready_callback_(std::move(ready)), over_callback_(std::move(over)),
      thread_([this]() { Run(); })
{
}

void LineThread::Run()
{
    /* The pause after the last line is only twice as long as what the kernel would add to it. */
    prctl(PR_SET_TIMERSLACK, 1000UL);
    Listen(true);
    for (;;) {
        struct epoll_event events[64];
        struct timespec left;
        int count = epoll_pwait2(epoll_fd_, events, 64, Timeout(Clock::now(), &left), nullptr);

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
        if (Gathered(Clock::now())) {
            Tell();
        }
        ReadStarts();
    }
    for (const auto &[fd, connection] : reading_) {
        /* Its client is in the middle of its line: it has nothing to wait for. */
        close(fd);
    }
    reading_.clear();
    deadline_.clear();
    Tell();
    over_callback_();
}

/* Until there is something to do though nothing has come; nullptr: for ever. */
const struct timespec *LineThread::Timeout(Clock::time_point now, struct timespec *left) const
{
    Clock::time_point next = Clock::time_point::max();

    if (!unread_.empty()) {
        next = now;
    }
    if (!deadline_.empty() && deadline_.begin()->first < next) {
        next = deadline_.begin()->first;
    }
    if (!listening_ && listen_again_ < next) {
        next = listen_again_;
    }
    if (!whole_.empty() && last_whole_ + limits_.pause < next) {
        next = last_whole_ + limits_.pause;
    }
    if (next == Clock::time_point::max()) {
        return nullptr;
    }
    auto ns = std::max<int64_t>(0, std::chrono::nanoseconds(next - now).count());
    *left = {static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
    return left;
}

void LineThread::Listen(bool on)
{
    struct epoll_event event = {};

    event.events = EPOLLIN;
    event.data.fd = listen_fd_;
    listening_ =
        epoll_ctl(epoll_fd_, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listen_fd_, &event) == 0 && on;
}

/* False: there are no descriptors or no memory for more at this time. Those who wait do so in the backlog. */
bool LineThread::Accept()
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

void LineThread::Welcome(int fd)
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

void LineThread::Watch(Connection &&connection)
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

void LineThread::SetDeadline(Connection &connection)
{
    deadline_.erase({connection.deadline, connection.fd});
    connection.deadline = std::min(Clock::now() + limits_.silence, connection.whole_by);
    deadline_.insert({connection.deadline, connection.fd});
}

/* Reads what is there. True while the line is not whole and its client may go on. */
bool LineThread::Read(Connection &connection)
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

void LineThread::Expire(Clock::time_point now)
{
    while (!deadline_.empty() && deadline_.begin()->first <= now) {
        auto found = reading_.find(deadline_.begin()->second);

        deadline_.erase(deadline_.begin());
        epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, found->first, nullptr);
        HandOver(found->second, "silent", 0);
        reading_.erase(found);
    }
}

void LineThread::HandOver(const Connection &connection, const char *fault, size_t line_length)
{
    LineTaken taken = {connection.peer, -1};

    if (fault == nullptr) {
        taken.pidfd = HoldPeer(connection.fd, connection.peer.pid);
    }
    whole_.push_back({connection.fd, taken, fault,
                      fault == nullptr ? connection.text.substr(0, line_length) : ""});
    last_whole_ = Clock::now();
}

/*
 * Ranks that a launcher starts together, or a barrier lets go, ask within some
 * ten microseconds of each other, and cost less when they are served together.
 * JavaScript sleeps until then, and leaves the processor to those who ask.
 */
bool LineThread::Gathered(Clock::time_point now) const
{
    return whole_.empty() || whole_.size() >= limits_.together ||
           now >= last_whole_ + limits_.pause;
}

/* JavaScript is called once for all that it has not taken yet. */
void LineThread::Tell()
{
    bool tell;
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (whole_.empty() && undelivered_.empty()) {
            return;
        }
        for (LineRequest &request : whole_) {
            if (request.taken.pidfd >= 0) {
                unread_.emplace_back(request.fd, request.taken.peer.pid);
            }
            ready_.push_back(std::move(request));
        }
        tell = !told_;
        told_ = true;
    }
    whole_.clear();
    if (tell) {
        ready_callback_();
    }
}

/* While JavaScript looks for VFs: it takes half of a connection's time here, and is needed last. */
void LineThread::ReadStarts()
{
    size_t count = std::min(unread_.size(), kStartsInARow);

    for (size_t i = 0; i < count; i++) {
        long long ticks = ReadStartTicks(unread_[i].second);

        if (ticks >= 0) {
            std::lock_guard<std::mutex> guard(lock_);
            started_[unread_[i].first] = ticks;
        }
    }
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<ptrdiff_t>(count));
}

long long LineThread::StartTicks(int fd)
{
    std::lock_guard<std::mutex> guard(lock_);
    auto found = started_.find(fd);

    return found == started_.end() ? -1 : found->second;
}

void LineThread::SendAll()
{
    std::vector<LineReply> replies;
    {
        std::lock_guard<std::mutex> guard(lock_);
        replies.swap(replies_);
    }
    for (LineReply &reply : replies) {
        Send(reply);
    }
}

/*
 * Sends and closes. An answer is far smaller than a socket's buffer: who has
 * no room for it has not read what was sent before, or is gone.
 */
void LineThread::Send(LineReply &reply)
{
    ssize_t sent;

    do {
        sent = send(reply.fd, reply.text.data(), reply.text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (reply.taken.pidfd >= 0) {
        close(reply.taken.pidfd);
    }
    auto behind = std::find_if(unread_.begin(), unread_.end(),
                               [&](const auto &one) { return one.first == reply.fd; });
    if (behind != unread_.end()) {
        unread_.erase(behind);
    }
    {
        std::lock_guard<std::mutex> guard(lock_);
        started_.erase(reply.fd);
    }
    Forget(reply.taken.peer);
    close(reply.fd);
    if (sent != static_cast<ssize_t>(reply.text.size()) && !reply.tag.empty()) {
        std::lock_guard<std::mutex> guard(lock_);
        undelivered_.push_back({reply.taken.peer.pid, std::move(reply.tag)});
    }
}

void LineThread::Forget(const struct ucred &peer)
{
    std::lock_guard<std::mutex> guard(lock_);
    auto found = connections_.find(peer.uid);

    if (--found->second == 0) {
        connections_.erase(found);
    }
}

void LineThread::Take(size_t most, std::vector<LineRequest> *requests,
                      std::vector<LineUndelivered> *undelivered)
{
    bool more;
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto end = ready_.begin() + static_cast<ptrdiff_t>(std::min(most, ready_.size()));

        requests->assign(std::make_move_iterator(ready_.begin()), std::make_move_iterator(end));
        ready_.erase(ready_.begin(), end);
        undelivered->swap(undelivered_);
        more = told_ = !ready_.empty();
    }
    if (more) {
        ready_callback_();
    }
}

void LineThread::Answer(LineReply &&reply)
{
    if (!thread_.joinable()) {
        Send(reply);
        return;
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
}

void LineThread::Wake()
{
    uint64_t one = 1;
    ssize_t written = write(wake_fd_, &one, sizeof(one));
    (void)written; /* EAGAIN: it has been woken as often as it can be */
}

void LineThread::Stop()
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

} // namespace vfring
