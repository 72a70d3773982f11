/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: a client sends anything. An input is a list of records: one byte of what to do (below), one of
 * the command, one of length, then so many bytes of payload; a record may be sent as it is, without a header.
 *
 * Checked: no access outside what is anybody's; the server answers each whole request that wants a reply with just
 * one, of the right kind; a client that was dropped has left no map and no vector; and another one is served after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "softvf_admin.h"
#include "softvf_rules.h"
#include "vfu_server.h"

#define DO_RAW 1u      /* no header: what comes is what there is */
#define DO_FILE 2u     /* the guest's memory beside it */
#define DO_EVENT 4u    /* an eventfd beside it */
#define DO_ARGSZ 8u    /* the first word becomes the payload's length */
#define DO_SILENT 16u  /* No_reply */
#define DO_REGISTER 32u /* becomes a write to a register, which the first byte chooses */
#define DO_SHRINK 64u  /* the file becomes shorter */
#define DO_LONG 128u   /* the length says more than comes */

#define MEMORY_BYTES (1u << 20)

static struct vfu_server server;
static char path[96];
static int client = -1, memory = -1, event = -1;

static void need(int condition)
{
    if (!condition) {
        abort();
    }
}

static void hear(enum softvf_rule rule, const char *text)
{
    (void)rule;
    need(memchr(text, 0, 400) != NULL);
}

static void clean_up(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    char segment[128];
    strcpy(segment, path);
    strcat(segment, "/segment");
    unlink(segment);
    rmdir(path);
}

static void start(void)
{
    struct softvf_admin_spec spec = {.mtu_bytes = 9000, .mac = {2, 0, 0, 0, 0, 1}};
    struct vfu_server_options options = {.vf = path, .window_bits = 32};
    char folder[64] = "/tmp/vfu-fuzz.XXXXXX";

    need(mkdtemp(folder) != NULL);
    need(softvf_admin_create(folder, &spec) == 0);
    strcpy(path, folder);
    strcat(path, "/vf0");
    atexit(clean_up);
    softvf_violation_listener = hear;
    need(vfu_server_open(&server, &options) == 0);
    memory = memfd_create("memory", MFD_CLOEXEC);
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    need(memory >= 0 && event >= 0);
}

static void connect_client(void)
{
    static const char version[] = "\0\0\0\0{}";
    const struct vfu_header header = {.command = VFU_VERSION, .bytes = sizeof(header) + sizeof(version)};
    int ends[2];

    if (client >= 0) {
        close(client);
    }
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client = ends[0];
    vfu_server_attach(&server, ends[1]);
    need(server.function.dma.num_maps == 0);
    need(ftruncate(memory, MEMORY_BYTES) == 0);
    need(write(client, &header, sizeof(header)) == sizeof(header));
    need(write(client, version, sizeof(version)) == sizeof(version));
}

static void send_all(const uint8_t *bytes, size_t num, uint8_t what)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = {(void *)(uintptr_t)bytes, num};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    unsigned num_fds = 0;
    int fds[2];

    if ((what & DO_FILE) != 0) {
        fds[num_fds++] = memory;
    }
    if ((what & DO_EVENT) != 0) {
        fds[num_fds++] = event;
    }
    if (num == 0) {
        return;
    }
    if (num_fds != 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(num_fds * sizeof(int)), .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), fds, num_fds * sizeof(int));
    }
    (void)sendmsg(client, &msg, MSG_NOSIGNAL | MSG_DONTWAIT); /* who was dropped may go on */
}

static uint32_t fill(uint8_t *out, const uint8_t *data, uint32_t bytes, uint8_t what, uint8_t command)
{
    struct vfu_header header = {.id = 7, .command = command, .flags = (what & DO_SILENT) != 0 ? VFU_FLAG_NO_REPLY : 0};
    uint8_t *payload = out + sizeof(header);
    uint32_t value = bytes;

    memcpy(payload, data, bytes);
    if ((what & DO_REGISTER) != 0 && bytes >= 5) {
        const struct vfu_region_access access = {.offset = (uint64_t)data[0] * 64 + data[1] % 16 * 4, .count = 4};
        header.command = VFU_REGION_WRITE;
        memcpy(payload, &access, sizeof(access));
        memcpy(payload + sizeof(access), data + bytes - 4, 4);
        bytes = sizeof(access) + 4;
    } else if ((what & DO_ARGSZ) != 0 && bytes >= 4) {
        memcpy(payload, &value, sizeof(value));
    }
    header.bytes = (uint32_t)sizeof(header) + bytes + ((what & DO_LONG) != 0 ? 16 : 0);
    memcpy(out, &header, sizeof(header));
    return (uint32_t)sizeof(header) + bytes;
}

/** All that the server says is whole, and a reply. */
static void read_replies(void)
{
    static uint8_t payload[VFU_MAX_PAYLOAD_BYTES];
    struct vfu_header header;

    while (recv(client, &header, sizeof(header), MSG_DONTWAIT) == sizeof(header)) {
        need((header.flags & VFU_FLAG_TYPE_MASK) == VFU_FLAG_REPLY && header.bytes >= sizeof(header));
        uint32_t bytes = header.bytes - (uint32_t)sizeof(header);
        need(bytes <= sizeof(payload) && ((header.flags & VFU_FLAG_ERROR) == 0 || (bytes == 0 && header.error != 0)));
        need(bytes == 0 || recv(client, payload, bytes, MSG_DONTWAIT) == (ssize_t)bytes);
    }
}

/** Steps while there is something; a message that will not be whole would be waited for. */
static void run(void)
{
    while (vfu_server_has_client(&server)) {
        struct pollfd poll_fd = {.fd = server.channel.fd, .events = POLLIN};
        struct vfu_header header;
        if (poll(&poll_fd, 1, 0) != 1) {
            return;
        }
        ssize_t there = recv(server.channel.fd, &header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);
        if (there > 0 && (there < (ssize_t)sizeof(header) || header.bytes > sizeof(header))) {
            static uint8_t all[sizeof(header) + VFU_MAX_PAYLOAD_BYTES];
            there = recv(server.channel.fd, all, sizeof(all), MSG_PEEK | MSG_DONTWAIT);
            if (there < (ssize_t)sizeof(header) ||
                (header.bytes <= sizeof(all) && there < (ssize_t)header.bytes)) {
                shutdown(client, SHUT_WR); /* the rest never comes */
            }
        }
        (void)vfu_server_step(&server);
    }
    need(server.function.dma.num_maps == 0);
    for (uint32_t i = 0; i < server.function.irq.num_vectors; i++) {
        need(server.function.irq.fds[i] == -1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint8_t out[512];

    if (memory < 0) {
        start();
    }
    connect_client();
    run();
    for (size_t at = 0; at + 3 <= size && vfu_server_has_client(&server);) {
        const uint8_t what = input[at], command = input[at + 1];
        uint32_t bytes = input[at + 2];

        at += 3;
        bytes = bytes < size - at ? bytes : (uint32_t)(size - at);
        if ((what & DO_SHRINK) != 0) {
            need(ftruncate(memory, MEMORY_BYTES / 2) == 0);
        }
        if ((what & DO_RAW) != 0) {
            send_all(input + at, bytes, what);
        } else {
            send_all(out, fill(out, input + at, bytes, what, command), what);
        }
        at += bytes;
        run();
        read_replies();
    }
    return 0;
}
