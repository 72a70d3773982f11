/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_server.h"

#include <errno.h>
#include <string.h>

#include "vfu_commands.h"

/** A reply that is made: its bytes in server->out. An errno instead of bytes makes it an error. */
struct answer {
    uint32_t bytes;
    int error;
};

typedef struct answer (*handler)(struct vfu_server *server, struct vfu_message *message);

static struct answer say(struct vfu_server *server, const void *payload, uint32_t bytes)
{
    memcpy(server->out, payload, bytes);
    return (struct answer){.bytes = bytes};
}

static struct answer nothing(int error)
{
    return (struct answer){.error = error};
}

static struct answer on_version(struct vfu_server *server, struct vfu_message *message)
{
    if (server->negotiated) {
        return nothing(EINVAL);
    }
    int rc = vfu_version_parse(message->payload, message->payload_bytes, &server->client);
    if (rc != 0) {
        return nothing(rc);
    }
    server->negotiated = true;
    return (struct answer){.bytes = vfu_version_answer(server->out, sizeof(server->out))};
}

static struct answer on_dma_map(struct vfu_server *server, struct vfu_message *message)
{
    struct vfu_dma_map map;

    memcpy(&map, message->payload, sizeof(map));
    return nothing(vfu_function_map(&server->function, &map, message->num_fds == 0 ? -1 : message->fds[0]));
}

static struct answer on_dma_unmap(struct vfu_server *server, struct vfu_message *message)
{
    struct vfu_dma_unmap unmap;

    memcpy(&unmap, message->payload, sizeof(unmap));
    int rc = vfu_function_unmap(&server->function, &unmap);
    return rc != 0 ? nothing(rc) : say(server, &unmap, sizeof(unmap));
}

static struct answer on_get_info(struct vfu_server *server, struct vfu_message *message)
{
    const struct vfu_device_info info = {.argsz = sizeof(info), .flags = VFU_INFO_FLAG_RESET | VFU_INFO_FLAG_PCI,
                                         .num_regions = VFU_NUM_REGIONS, .num_irqs = VFU_NUM_IRQS};

    (void)message;
    return say(server, &info, sizeof(info));
}

static struct answer on_get_region_info(struct vfu_server *server, struct vfu_message *message)
{
    struct vfu_region_info info;

    memcpy(&info, message->payload, sizeof(info));
    if (info.index >= VFU_NUM_REGIONS) {
        return nothing(EINVAL);
    }
    info = (struct vfu_region_info){.argsz = sizeof(info), .index = info.index,
                                    .bytes = vfu_function_region_bytes(&server->function, info.index)};
    info.flags = info.bytes != 0 ? VFU_REGION_FLAG_READ | VFU_REGION_FLAG_WRITE : 0;
    return say(server, &info, sizeof(info));
}

static struct answer on_get_irq_info(struct vfu_server *server, struct vfu_message *message)
{
    struct vfu_irq_info info;

    memcpy(&info, message->payload, sizeof(info));
    /* Of what the function does not report (errors, a request to let go) there is no interrupt, not even one of no vectors. */
    if (info.index > VFU_IRQ_MSIX) {
        return nothing(EINVAL);
    }
    info = (struct vfu_irq_info){.argsz = sizeof(info), .index = info.index,
                                 .count = vfu_function_irq_count(&server->function, info.index)};
    info.flags = info.count != 0 ? VFU_IRQ_FLAG_EVENTFD : 0;
    return say(server, &info, sizeof(info));
}

static struct answer on_set_irqs(struct vfu_server *server, struct vfu_message *message)
{
    return nothing(vfu_irq_set(&server->function.irq, message));
}

static struct answer on_region_read(struct vfu_server *server, struct vfu_message *message)
{
    struct vfu_region_access access;

    memcpy(&access, message->payload, sizeof(access));
    if (access.count > server->client.max_data_bytes) {
        return nothing(EINVAL);
    }
    int rc = vfu_function_read(&server->function, access.region, access.offset, access.count,
                               server->out + sizeof(access));
    memcpy(server->out, &access, sizeof(access));
    return rc != 0 ? nothing(rc) : (struct answer){.bytes = (uint32_t)sizeof(access) + access.count};
}

static struct answer on_region_write(struct vfu_server *server, struct vfu_message *message)
{
    struct vfu_region_access access;

    memcpy(&access, message->payload, sizeof(access));
    if (access.count != message->payload_bytes - sizeof(access)) {
        return nothing(EINVAL);
    }
    int rc = vfu_function_write(&server->function, access.region, access.offset, access.count,
                                message->payload + sizeof(access));
    return rc != 0 ? nothing(rc) : say(server, &access, sizeof(access));
}

static struct answer on_reset(struct vfu_server *server, struct vfu_message *message)
{
    (void)message;
    vfu_function_reset(&server->function);
    return nothing(0);
}

static const handler handlers[VFU_NUM_COMMANDS] = {
    [VFU_VERSION] = on_version,
    [VFU_DMA_MAP] = on_dma_map,
    [VFU_DMA_UNMAP] = on_dma_unmap,
    [VFU_GET_INFO] = on_get_info,
    [VFU_GET_REGION_INFO] = on_get_region_info,
    [VFU_GET_IRQ_INFO] = on_get_irq_info,
    [VFU_SET_IRQS] = on_set_irqs,
    [VFU_REGION_READ] = on_region_read,
    [VFU_REGION_WRITE] = on_region_write,
    [VFU_RESET] = on_reset,
};

/* --- memory without a file --- */

/** The next piece of an access, no longer than the client takes. */
static uint32_t piece(const struct vfu_server *server, uint32_t left)
{
    return left < server->client.max_data_bytes ? left : server->client.max_data_bytes;
}

static int remote_read(void *ctx, uint64_t iova, void *to, uint32_t bytes)
{
    struct vfu_server *server = ctx;
    int rc = 0;

    for (uint32_t at = 0; rc == 0 && at < bytes;) {
        const struct vfu_dma_access access = {.iova = iova + at, .count = piece(server, bytes - at)};
        rc = vfu_channel_ask(&server->channel, VFU_DMA_READ, &access, sizeof(access), NULL, 0, &server->reply);
        if (rc == 0 && (server->reply.payload_bytes != sizeof(access) + access.count ||
                        memcmp(server->reply.payload, &access, sizeof(access)) != 0)) {
            rc = -EPROTO;
        }
        if (rc == 0) {
            memcpy((uint8_t *)to + at, server->reply.payload + sizeof(access), access.count);
            at += (uint32_t)access.count;
        }
    }
    return rc;
}

static int remote_write(void *ctx, uint64_t iova, const void *from, uint32_t bytes)
{
    struct vfu_server *server = ctx;
    int rc = 0;

    for (uint32_t at = 0; rc == 0 && at < bytes;) {
        const struct vfu_dma_access access = {.iova = iova + at, .count = piece(server, bytes - at)};
        rc = vfu_channel_ask(&server->channel, VFU_DMA_WRITE, &access, sizeof(access), (const uint8_t *)from + at,
                             (uint32_t)access.count, &server->reply);
        at += (uint32_t)access.count;
    }
    return rc;
}

/* --- clients --- */

int vfu_server_open(struct vfu_server *server, const struct vfu_server_options *options)
{
    const struct vfu_remote remote = {remote_read, remote_write, server};

    memset(server, 0, sizeof(*server));
    server->channel.fd = -1;
    return vfu_function_open(&server->function, options->vf, options->window_bits,
                             options->use_messages ? &remote : NULL);
}

static void detach(struct vfu_server *server)
{
    if (server->channel.fd >= 0) {
        vfu_channel_fini(&server->channel);
        server->negotiated = false;
        vfu_function_forget(&server->function);
    }
}

void vfu_server_close(struct vfu_server *server)
{
    detach(server);
    vfu_function_close(&server->function);
}

void vfu_server_attach(struct vfu_server *server, int fd)
{
    detach(server);
    vfu_channel_init(&server->channel, fd);
}

bool vfu_server_has_client(const struct vfu_server *server)
{
    return server->channel.fd >= 0;
}

bool vfu_server_has_work(const struct vfu_server *server)
{
    return vfu_channel_has_waiting(&server->channel);
}

/** Handles the request in hand. 0 or -errno of sending the reply. */
static int handle(struct vfu_server *server)
{
    struct vfu_message *message = &server->message;
    const struct vfu_header *header = &message->header;
    struct answer answer = nothing(vfu_command_check(header, message->payload, message->num_fds));

    if (answer.error == 0 && !server->negotiated && header->command != VFU_VERSION) {
        answer = nothing(EINVAL);
    }
    if (answer.error == 0) {
        answer = handlers[header->command](server, message);
    }
    if ((header->flags & VFU_FLAG_NO_REPLY) != 0) {
        return 0;
    }
    return answer.error != 0 ? vfu_channel_reply_error(&server->channel, header, answer.error)
                             : vfu_channel_reply(&server->channel, header, server->out, answer.bytes);
}

/** What the model did may have shown that the client is no good. */
static int check(struct vfu_server *server, int rc)
{
    if (rc == 0 && vfu_dma_is_broken(&server->function.dma)) {
        rc = -EFAULT;
    }
    if (rc != 0) {
        detach(server);
    }
    return rc;
}

int vfu_server_step(struct vfu_server *server)
{
    int rc = vfu_channel_receive(&server->channel, &server->message);

    if (rc == 1) {
        rc = handle(server);
        vfu_message_close(&server->message);
    } else if (rc == 0) {
        rc = -ENOTCONN;
    }
    return check(server, rc);
}

int vfu_server_wake(struct vfu_server *server)
{
    softvf_serve(server->function.dev);
    return check(server, 0);
}
