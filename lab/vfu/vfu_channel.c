/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_channel.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 5000
/** QEMU has at most so many on their way that it has not sent. */
#define MAX_WAITING 1024u

struct vfu_waiting {
    struct vfu_waiting *next;
    struct vfu_message message;
};

void vfu_channel_init(struct vfu_channel *channel, int fd)
{
    const struct timeval limit = {.tv_sec = LIMIT_MS / 1000};

    memset(channel, 0, sizeof(*channel));
    channel->fd = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

void vfu_message_close(struct vfu_message *message)
{
    for (uint32_t i = 0; i < message->num_fds; i++) {
        if (message->fds[i] >= 0) {
            close(message->fds[i]);
        }
    }
    message->num_fds = 0;
}

void vfu_channel_fini(struct vfu_channel *channel)
{
    while (channel->first != NULL) {
        struct vfu_waiting *waiting = channel->first;
        channel->first = waiting->next;
        vfu_message_close(&waiting->message);
        free(waiting);
    }
    close(channel->fd);
    memset(channel, 0, sizeof(*channel));
    channel->fd = -1;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** 0, or -ETIMEDOUT at @p until_ms. */
static int wait_readable(int fd, int64_t until_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    for (;;) {
        int64_t left_ms = until_ms - now_ms();
        int rc = left_ms <= 0 ? 0 : poll(&poll_fd, 1, (int)left_ms);
        if (rc > 0) {
            return 0;
        }
        if (rc == 0) {
            return -ETIMEDOUT;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

/** Takes the descriptors out of @p msg; of more than a message may have there is no knowing which they are. */
static int take_fds(struct msghdr *msg, struct vfu_message *message)
{
    bool too_many = (msg->msg_flags & MSG_CTRUNC) != 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t num = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < num; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
            if (message->num_fds < VFU_MAX_FDS) {
                message->fds[message->num_fds++] = fd;
            } else {
                close(fd);
                too_many = true;
            }
        }
    }
    return too_many ? -EPROTO : 0;
}

/** All of [to, to + bytes). 1; 0: closed before the first byte. */
static int read_all(struct vfu_channel *channel, void *to, uint32_t bytes, struct vfu_message *message, int64_t until_ms)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(VFU_MAX_FDS * sizeof(int))];
    } control;
    uint32_t have = 0;

    while (have < bytes) {
        struct iovec iov = {.iov_base = (uint8_t *)to + have, .iov_len = bytes - have};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
        int rc = wait_readable(channel->fd, until_ms);
        if (rc != 0) {
            return rc;
        }
        ssize_t got = recvmsg(channel->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        rc = take_fds(&msg, message);
        if (rc != 0) {
            return rc;
        }
        if (got == 0) {
            return have == 0 ? 0 : -ECONNRESET;
        }
        have += (uint32_t)got;
    }
    return 1;
}

static int read_message(struct vfu_channel *channel, struct vfu_message *message)
{
    struct vfu_header *header = &message->header;
    const int64_t until_ms = now_ms() + LIMIT_MS;

    message->num_fds = 0;
    int rc = read_all(channel, header, sizeof(*header), message, until_ms);
    if (rc == 1 && (header->bytes < sizeof(*header) || header->bytes - sizeof(*header) > sizeof(message->payload))) {
        rc = -EPROTO;
    }
    if (rc == 1) {
        message->payload_bytes = header->bytes - (uint32_t)sizeof(*header);
        rc = read_all(channel, message->payload, message->payload_bytes, message, until_ms);
        rc = rc == 0 ? -ECONNRESET : rc;
    }
    if (rc != 1) {
        vfu_message_close(message);
    }
    return rc;
}

static bool is_reply(const struct vfu_message *message)
{
    return (message->header.flags & VFU_FLAG_TYPE_MASK) == VFU_FLAG_REPLY;
}

bool vfu_channel_has_waiting(const struct vfu_channel *channel)
{
    return channel->first != NULL;
}

int vfu_channel_receive(struct vfu_channel *channel, struct vfu_message *message)
{
    struct vfu_waiting *waiting = channel->first;

    if (waiting != NULL) {
        channel->first = waiting->next;
        channel->num_waiting--;
        memcpy(message, &waiting->message, offsetof(struct vfu_message, payload) + waiting->message.payload_bytes);
        free(waiting);
        return 1;
    }
    int rc = read_message(channel, message);
    if (rc == 1 && (message->header.flags & VFU_FLAG_TYPE_MASK) != 0) { /* a reply to nothing */
        vfu_message_close(message);
        return -EPROTO;
    }
    return rc;
}

/** @p done bytes of the pieces are sent. */
static void advance(struct iovec **iov, int *num, size_t done)
{
    while (*num > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*num)--;
    }
    if (*num > 0) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

/** In one turn, unless the socket's buffer is full. */
static int send_all(struct vfu_channel *channel, struct iovec *iov, int num)
{
    while (num > 0) {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)num};
        ssize_t put = sendmsg(channel->fd, &msg, MSG_NOSIGNAL);

        if (put >= 0) {
            advance(&iov, &num, (size_t)put);
        } else if (errno != EINTR) {
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        }
    }
    return 0;
}

int vfu_channel_reply(struct vfu_channel *channel, const struct vfu_header *request, const void *payload, uint32_t bytes)
{
    struct vfu_header header = {.id = request->id, .command = request->command,
                                .bytes = (uint32_t)sizeof(header) + bytes, .flags = VFU_FLAG_REPLY};
    struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)payload, bytes}};

    return send_all(channel, iov, bytes == 0 ? 1 : 2);
}

int vfu_channel_reply_error(struct vfu_channel *channel, const struct vfu_header *request, int error)
{
    struct vfu_header header = {.id = request->id, .command = request->command, .bytes = sizeof(header),
                                .flags = VFU_FLAG_REPLY | VFU_FLAG_ERROR, .error = (uint32_t)error};
    struct iovec iov = {&header, sizeof(header)};

    return send_all(channel, &iov, 1);
}

/** A request that is not answered yet. */
static int put_aside(struct vfu_channel *channel, struct vfu_message *message)
{
    const size_t bytes = offsetof(struct vfu_message, payload) + message->payload_bytes;
    struct vfu_waiting *waiting =
        channel->num_waiting < MAX_WAITING ? malloc(offsetof(struct vfu_waiting, message) + bytes) : NULL;

    if (waiting == NULL) {
        vfu_message_close(message);
        return -EPROTO;
    }
    memcpy(&waiting->message, message, bytes);
    waiting->next = NULL;
    if (channel->first == NULL) {
        channel->first = waiting;
    } else {
        channel->last->next = waiting;
    }
    channel->last = waiting;
    channel->num_waiting++;
    return 0;
}

int vfu_channel_ask(struct vfu_channel *channel, uint16_t command, const void *head, uint32_t head_bytes,
                    const void *data, uint32_t data_bytes, struct vfu_message *reply)
{
    struct vfu_header header = {.id = channel->next_id++, .command = command,
                                .bytes = (uint32_t)sizeof(header) + head_bytes + data_bytes};
    struct iovec iov[3] = {{&header, sizeof(header)}, {(void *)(uintptr_t)head, head_bytes},
                           {(void *)(uintptr_t)data, data_bytes}};
    int rc = send_all(channel, iov, data_bytes == 0 ? 2 : 3);

    while (rc == 0) {
        rc = read_message(channel, reply);
        if (rc != 1) {
            return rc == 0 ? -ECONNRESET : rc;
        }
        if (!is_reply(reply)) {
            rc = put_aside(channel, reply);
            continue;
        }
        vfu_message_close(reply);
        if (reply->header.id != header.id || reply->header.command != command) {
            return -EPROTO;
        }
        if ((reply->header.flags & VFU_FLAG_ERROR) != 0) {
            return reply->header.error != 0 && reply->header.error < 4096 ? (int)reply->header.error : EIO;
        }
        return 0;
    }
    return rc;
}
