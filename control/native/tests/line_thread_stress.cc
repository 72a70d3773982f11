/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listener's thread among clients of all kinds, for a sanitizer to watch:
 * line_thread_stress SOCKET. Prints what it counted as JSON. Every line must be
 * answered once, and no descriptor may be left.
 */
#include "../line_thread.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

using namespace vfring;

namespace {

constexpr int kThreads = 6;
constexpr int kClients = 300; /* of each thread */

struct sockaddr_un address = {};
std::atomic<int> asked{0};
std::atomic<int> answered{0};
std::atomic<int> living{0};

void WaitForEnd(int fd)
{
    char answer[64];

    while (read(fd, answer, sizeof(answer)) > 0) {
    }
}

void Say(int fd, const char *text, size_t length)
{
    ssize_t written = send(fd, text, length, MSG_NOSIGNAL);
    (void)written; /* one that is cut off in its line is among those meant */
}

void BeClient(int kind)
{
    char text[600];
    char answer[64];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)) != 0) {
        perror("connect");
        abort();
    }
    memset(text, 'x', sizeof(text));
    switch (kind) {
    default: /* as it should be */
        asked++;
        Say(fd, "hello\n", 6);
        if (read(fd, answer, sizeof(answer)) > 0) {
            answered++;
        }
        break;
    case 5: /* too long */
        Say(fd, text, sizeof(text));
        WaitForEnd(fd);
        break;
    case 6: /* gone within its line */
        Say(fd, "part", 4);
        break;
    case 7: /* does not wait for its answer */
        Say(fd, "gone\n", 5);
        break;
    case 8: /* says no more */
        Say(fd, "tr", 2);
        WaitForEnd(fd);
        break;
    }
    close(fd);
}

int OpenDescriptors()
{
    int open = 0;

    for (int fd = 0; fd < 1024; fd++) {
        open += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    }
    return open;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        fprintf(stderr, "usage: line_thread_stress SOCKET\n");
        return 64;
    }
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, argv[1]);
    int before = OpenDescriptors();
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listening, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)) != 0 ||
        listen(listening, 1024) != 0) {
        perror(argv[1]);
        return 1;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = wake;
    epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event);

    LineLimits limits = {};
    limits.line_bytes = 256;
    limits.silence = std::chrono::milliseconds(50);
    limits.line = std::chrono::milliseconds(120);
    limits.per_uid = 200;
    limits.together = 5;
    limits.pause = std::chrono::microseconds(100);
    std::mutex lock;
    std::condition_variable changed;
    bool told = false;
    bool over = false;
    int lines = 0, faults = 0, starts = 0, undelivered = 0;
    {
        LineThread thread(
            listening, epoll, wake, limits,
            [&]() {
                std::lock_guard<std::mutex> guard(lock);
                told = true;
                changed.notify_one();
            },
            [&]() {
                std::lock_guard<std::mutex> guard(lock);
                over = true;
            });
        std::vector<std::thread> clients;
        for (int k = 0; k < kThreads; k++) {
            living++;
            clients.emplace_back([k]() {
                for (int i = 0; i < kClients; i++) {
                    BeClient((i * 7 + k) % 9);
                }
                living--;
            });
        }
        std::vector<LineRequest> requests;
        std::vector<LineUndelivered> lost;
        do {
            {
                std::unique_lock<std::mutex> guard(lock);
                changed.wait_for(guard, std::chrono::milliseconds(20), [&]() { return told; });
                told = false;
            }
            thread.Take(7, &requests, &lost);
            undelivered += static_cast<int>(lost.size());
            for (LineRequest &request : requests) {
                (request.fault == nullptr ? lines : faults)++;
                if (lines % 3 == 0) {
                    usleep(200); /* the thread has time to read when it started */
                }
                starts += thread.StartTicks(request.fd) >= 0 ? 1 : 0;
                thread.Answer({request.fd, request.taken, "bye\n", "tag"});
            }
        } while (living > 0 || !requests.empty());
        for (std::thread &client : clients) {
            client.join();
        }
        thread.Stop();
        thread.Take(1000, &requests, &lost);
        for (LineRequest &request : requests) {
            thread.Answer({request.fd, request.taken, "bye\n", "tag"});
        }
    }
    printf("{\"asked\": %d, \"answered\": %d, \"lines\": %d, \"faults\": %d, \"starts\": %d, \"undelivered\": %d, "
           "\"over\": %s, \"left_open\": %d}\n",
           asked.load(), answered.load(), lines, faults, starts, undelivered, over ? "true" : "false",
           OpenDescriptors() - before);
    return 0;
}
