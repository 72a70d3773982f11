/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Whole messages over a stream socket, with the descriptors that come beside them.
 */
#ifndef VFU_CHANNEL_H
#define VFU_CHANNEL_H

#include <stdbool.h>

#include "vfu_protocol.h"

/** A message; its descriptors are its holder's, see vfu_message_close(). */
struct vfu_message {
    struct vfu_header header;
    uint32_t payload_bytes;
    uint32_t num_fds;
    int fds[VFU_MAX_FDS]; /* -1: taken over by somebody */
    _Alignas(8) uint8_t payload[VFU_MAX_PAYLOAD_BYTES];
};

struct vfu_waiting;

struct vfu_channel {
    int fd;
    uint16_t next_id;            /* of our requests */
    uint32_t num_waiting;
    struct vfu_waiting *first, *last; /* requests that came while we waited for a reply */
};

void vfu_channel_init(struct vfu_channel *channel, int fd);
/** Closes the socket too. */
void vfu_channel_fini(struct vfu_channel *channel);

/**
 * The next request, with up to 5 s for the rest of one that has begun. 1; 0: the client has closed, between two messages;
 * -EPROTO: what comes is no message (size, kind, more than 16 descriptors): there is no way to go on;
 * -ETIMEDOUT, -ECONNRESET: the client died or stopped in the middle of one; another -errno of the socket.
 */
int vfu_channel_receive(struct vfu_channel *channel, struct vfu_message *message);
/** Whether a request is here already, though the socket may be silent. */
bool vfu_channel_has_waiting(const struct vfu_channel *channel);

/** Answers @p request with @p bytes, in one piece. 0 or -errno; a client that does not read for 5 s: -ETIMEDOUT. */
int vfu_channel_reply(struct vfu_channel *channel, const struct vfu_header *request, const void *payload, uint32_t bytes);
int vfu_channel_reply_error(struct vfu_channel *channel, const struct vfu_header *request, int error);

/**
 * Asks the client, of which @p head and @p data are the request, and waits up to 5 s for the reply, which goes to
 * @p reply. Requests that come before it wait for vfu_channel_receive(). 0; the errno it answered, positive; or as
 * vfu_channel_receive(), 0 of it as -ECONNRESET. -EPROTO also: too many requests came.
 */
int vfu_channel_ask(struct vfu_channel *channel, uint16_t command, const void *head, uint32_t head_bytes,
                    const void *data, uint32_t data_bytes, struct vfu_message *reply);

/** Closes the descriptors that nobody has taken over. */
void vfu_message_close(struct vfu_message *message);

#endif /* VFU_CHANNEL_H */
