/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The thread that accepts the lease socket's connections, reads their lines
 * and sends their answers. Knows nothing of JavaScript: line_listener.cc does.
 *
 * Who owns what: a connection is the thread's until its line is whole or its
 * client has forfeited it, and its user's until it is answered. Only what goes
 * from one side to the other, and how many connections each user has, is under
 * the lock.
 */
#ifndef VFRING_LINE_THREAD_H
#define VFRING_LINE_THREAD_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

namespace vfring {

struct LineLimits {
    size_t line_bytes; /* with the newline */
    std::chrono::milliseconds silence;
    std::chrono::milliseconds line;
    uint32_t per_uid;
    size_t together;                 /* lines that are worth telling at once */
    std::chrono::microseconds pause; /* fewer are told when no other came for so long */
};

/** A connection whose line is whole. */
struct LineTaken {
    struct ucred peer;
    int pidfd; /* of the peer; -1: not known, or given away */
};

struct LineRequest {
    int fd;
    LineTaken taken;
    const char *fault; /* of LineFault in native.ts; nullptr: none */
    std::string line;  /* without its newline */
};

struct LineReply {
    int fd;
    LineTaken taken;
    std::string text;
    std::string tag; /* comes back when the text cannot be delivered */
};

struct LineUndelivered {
    pid_t pid;
    std::string tag;
};

class LineThread {
public:
    /**
     * Starts it. The descriptors are its own from now on: a listening socket, an
     * epoll, and an eventfd, all non-blocking, the last already in the epoll.
     *
     * @param ready called when there is something to take, by any thread
     * @param over called by the thread as its last deed
     */
    LineThread(int listen_fd, int epoll_fd, int wake_fd, const LineLimits &limits,
               std::function<void()> ready, std::function<void()> over);
    ~LineThread() { Stop(); }
    LineThread(const LineThread &) = delete;
    LineThread &operator=(const LineThread &) = delete;

    /**
     * What has come and was not taken before, @p most requests of it; when there are more, @p ready
     * of the constructor is called again. Each request is to be answered, once.
     */
    void Take(size_t most, std::vector<LineRequest> *requests, std::vector<LineUndelivered> *undelivered);
    /** When the process behind a request that is not yet answered started; -1: that has not been read yet. */
    long long StartTicks(int fd);
    /** Sends and closes, soon; at once when the thread has been stopped. */
    void Answer(LineReply &&reply);
    /** Takes no more connections. What is whole can still be taken and answered. */
    void Stop();

private:
    using Clock = std::chrono::steady_clock;
    struct Connection {
        int fd;
        struct ucred peer;
        Clock::time_point whole_by;
        Clock::time_point deadline;
        std::string text;
    };

    void Run();
    const struct timespec *Timeout(Clock::time_point now, struct timespec *left) const;
    bool Accept();
    void Welcome(int fd);
    bool Read(Connection &connection);
    void Watch(Connection &&connection);
    void SetDeadline(Connection &connection);
    void Expire(Clock::time_point now);
    void HandOver(const Connection &connection, const char *fault, size_t line_length);
    bool Gathered(Clock::time_point now) const;
    void Tell();
    void ReadStarts();
    void SendAll();
    void Send(LineReply &reply);
    void Forget(const struct ucred &peer);
    void Listen(bool on);
    void Wake();

    const LineLimits limits_;
    int listen_fd_;
    int epoll_fd_;
    int wake_fd_; /* there is something to send, or it is time to stop */
    const std::function<void()> ready_callback_;
    const std::function<void()> over_callback_;
    bool listening_ = false;
    Clock::time_point listen_again_;
    std::map<int, Connection> reading_;                    /* by descriptor */
    std::set<std::pair<Clock::time_point, int>> deadline_; /* of those, the next first */
    std::vector<LineRequest> whole_;
    Clock::time_point last_whole_;
    std::vector<std::pair<int, pid_t>> unread_; /* told, without the start of their processes */

    std::mutex lock_;
    std::vector<LineRequest> ready_;
    std::vector<LineUndelivered> undelivered_;
    std::vector<LineReply> replies_;
    std::map<int, long long> started_; /* by descriptor */
    bool told_ = false;
    bool stopped_ = false;
    std::map<uid_t, uint32_t> connections_;

    std::thread thread_;
};

} // namespace vfring

#endif
