/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One client at a time, and what it asks of the function.
 */
#ifndef VFU_SERVER_H
#define VFU_SERVER_H

#include "vfu_channel.h"
#include "vfu_function.h"
#include "vfu_version.h"

struct vfu_server {
    struct vfu_function function;
    struct vfu_channel channel; /* fd -1: no client */
    struct vfu_client client;
    bool negotiated;
    struct vfu_message message; /* in hand */
    struct vfu_message reply;   /* to what was asked of the client meanwhile */
    _Alignas(8) uint8_t out[VFU_MAX_PAYLOAD_BYTES];
};

struct vfu_server_options {
    const char *vf;          /**< file of the soft VF */
    unsigned window_bits;    /**< of addresses that the guest's memory may have */
    bool use_messages;       /**< memory without a file is reached by DMA_READ and DMA_WRITE */
};

/** 0 or -errno of vfu_function_open(). */
int vfu_server_open(struct vfu_server *server, const struct vfu_server_options *options);
void vfu_server_close(struct vfu_server *server);

/** Takes a connected socket over. There is no client yet. */
void vfu_server_attach(struct vfu_server *server, int fd);
bool vfu_server_has_client(const struct vfu_server *server);

/**
 * Takes one request and answers it; the socket is readable. 0; or why the client is gone, with all that it gave:
 * -ENOTCONN it closed; otherwise as vfu_channel_receive(), -EFAULT it took memory away that it had given.
 */
int vfu_server_step(struct vfu_server *server);
/** Whether vfu_server_step() has something to do though the socket may be silent. */
bool vfu_server_has_work(const struct vfu_server *server);

/** The model's count of events has changed (softvf_events()). As vfu_server_step(). */
int vfu_server_wake(struct vfu_server *server);

#endif /* VFU_SERVER_H */
