/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "softvf_admin.h"

static char folder[64];

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(folder);
}

const char *rig_folder(void)
{
    if (folder[0] == '\0') {
        snprintf(folder, sizeof(folder), "%s/vfu.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
        atexit(remove_folder);
    }
    return folder;
}

static const char *model_name;

void rig_set_model(const char *model)
{
    model_name = model;
}

const char *rig_vf(uint32_t index, uint32_t rate_mbits)
{
    static char paths[4][96];
    const struct softvf_admin_spec spec = {
        .index = index, .mtu_bytes = 9000, .mac = {2, 0x76, 0x66, 0, 0, (uint8_t)index}, .rate_mbits = rate_mbits,
        .model = model_name};

    CHECK(index < 4);
    snprintf(paths[index], sizeof(paths[index]), "%s/vf%u", rig_folder(), index);
    (void)softvf_admin_destroy(paths[index]); /* replacing would keep the statistics */
    CHECK_EQ(softvf_admin_create(rig_folder(), &spec), 0);
    return paths[index];
}

static void make_memory(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->memory_fd = memfd_create("guest", MFD_CLOEXEC);
    CHECK(rig->memory_fd >= 0 && ftruncate(rig->memory_fd, RIG_MEMORY_BYTES) == 0);
    rig->memory = mmap(NULL, RIG_MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, rig->memory_fd, 0);
    CHECK(rig->memory != MAP_FAILED);
}

void rig_connect(struct rig *rig, const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    make_memory(rig);
    rig->is_elsewhere = true;
    CHECK(strlen(socket_path) < sizeof(address.sun_path));
    strcpy(address.sun_path, socket_path);
    rig->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(rig->fd >= 0);
    while (connect(rig->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        CHECK_EQ(errno, ECONNREFUSED); /* bound, and about to listen */
        usleep(1000);
    }
}

static void step(struct rig *rig)
{
    if (!rig->is_elsewhere) {
        CHECK_EQ(vfu_server_step(&rig->server), 0);
        CHECK(!vfu_server_has_work(&rig->server));
    }
}

void rig_start(struct rig *rig, uint32_t index, bool use_messages)
{
    struct vfu_server_options options = {.vf = rig_vf(index, 0), .window_bits = 36, .use_messages = use_messages};
    int ends[2];

    make_memory(rig);
    rig->path = options.vf;
    CHECK_EQ(vfu_server_open(&rig->server, &options), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    rig->fd = ends[0];
    vfu_server_attach(&rig->server, ends[1]);
}

void rig_negotiate(struct rig *rig, bool with_file)
{
    static const char version[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
                                  "\"migration\":{\"pgsize\":4096},\"pgsizes\":4096,\"write_multiple\":true}}";

    CHECK_EQ(rig_ask(rig, VFU_VERSION, version, sizeof(version), NULL, 0), 0);
    CHECK_EQ(rig_map(rig, RIG_MEMORY_IOVA, RIG_MEMORY_BYTES, with_file ? rig->memory_fd : -1, 0), 0);
}

void rig_stop(struct rig *rig)
{
    if (rig->fd >= 0) {
        close(rig->fd);
    }
    if (!rig->is_elsewhere) {
        vfu_server_close(&rig->server);
    }
    munmap(rig->memory, RIG_MEMORY_BYTES);
    close(rig->memory_fd);
}

void rig_send(struct rig *rig, const void *bytes, size_t num, const int *fds, unsigned num_fds)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(64 * sizeof(int))];
    } control;
    struct iovec iov = {(void *)(uintptr_t)bytes, num};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (num_fds != 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(num_fds * sizeof(int)), .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), fds, num_fds * sizeof(int));
    }
    CHECK_EQ(sendmsg(rig->fd, &msg, MSG_NOSIGNAL), num);
}

uint16_t rig_request(struct rig *rig, uint16_t command, uint32_t flags, const void *payload, uint32_t bytes,
                     const int *fds, unsigned num_fds)
{
    static uint8_t out[sizeof(struct vfu_header) + VFU_MAX_PAYLOAD_BYTES];
    const struct vfu_header header = {.id = ++rig->id, .command = command, .bytes = (uint32_t)sizeof(header) + bytes,
                                      .flags = flags};

    memcpy(out, &header, sizeof(header));
    if (bytes != 0) {
        memcpy(out + sizeof(header), payload, bytes);
    }
    rig_send(rig, out, header.bytes, fds, num_fds);
    return header.id;
}

bool rig_is_silent(const struct rig *rig)
{
    struct pollfd poll_fd = {.fd = rig->fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 0;
}

void rig_receive(struct rig *rig)
{
    struct vfu_header *header = &rig->reply.header;

    CHECK(rig->is_elsewhere || !rig_is_silent(rig));
    CHECK_EQ(recv(rig->fd, header, sizeof(*header), MSG_WAITALL), sizeof(*header));
    CHECK(header->bytes >= sizeof(*header) && header->bytes <= sizeof(*header) + VFU_MAX_PAYLOAD_BYTES);
    rig->reply.payload_bytes = header->bytes - (uint32_t)sizeof(*header);
    if (rig->reply.payload_bytes != 0) {
        CHECK_EQ(recv(rig->fd, rig->reply.payload, rig->reply.payload_bytes, MSG_WAITALL), rig->reply.payload_bytes);
    }
}

int rig_ask(struct rig *rig, uint16_t command, const void *payload, uint32_t bytes, const int *fds, unsigned num_fds)
{
    uint16_t id = rig_request(rig, command, 0, payload, bytes, fds, num_fds);

    step(rig);
    rig_receive(rig);
    CHECK(rig_is_silent(rig));
    CHECK_EQ(rig->reply.header.id, id);
    CHECK_EQ(rig->reply.header.command, command);
    if ((rig->reply.header.flags & VFU_FLAG_ERROR) == 0) {
        CHECK_EQ(rig->reply.header.flags, VFU_FLAG_REPLY);
        return 0;
    }
    CHECK_EQ(rig->reply.header.flags, VFU_FLAG_REPLY | VFU_FLAG_ERROR);
    CHECK_EQ(rig->reply.payload_bytes, 0);
    CHECK(rig->reply.header.error != 0);
    return (int)rig->reply.header.error;
}

int rig_last_step(struct rig *rig)
{
    int rc = 0;

    for (int i = 0; i < 100 && rc == 0; i++) {
        rc = vfu_server_step(&rig->server);
    }
    CHECK(!vfu_server_has_client(&rig->server));
    return rc;
}

int rig_map(struct rig *rig, uint64_t iova, uint64_t bytes, int fd, uint64_t offset)
{
    const struct vfu_dma_map map = {.argsz = sizeof(map), .flags = VFU_DMA_FLAG_READ | VFU_DMA_FLAG_WRITE,
                                    .offset = offset, .iova = iova, .bytes = bytes};

    return rig_ask(rig, VFU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

int rig_unmap(struct rig *rig, uint64_t iova, uint64_t bytes, uint32_t flags)
{
    const struct vfu_dma_unmap unmap = {.argsz = sizeof(unmap), .flags = flags, .iova = iova, .bytes = bytes};

    return rig_ask(rig, VFU_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0);
}

int rig_vectors(struct rig *rig, uint32_t start, uint32_t count, const int *fds, unsigned num_fds)
{
    const struct vfu_irq_set set = {.argsz = sizeof(set), .flags = VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_TRIGGER,
                                    .index = VFU_IRQ_MSIX, .start = start, .count = count};

    return rig_ask(rig, VFU_SET_IRQS, &set, sizeof(set), fds, num_fds);
}

int rig_region_read(struct rig *rig, uint32_t region, uint64_t offset, uint32_t count, void *data)
{
    const struct vfu_region_access access = {offset, region, count};
    int rc = rig_ask(rig, VFU_REGION_READ, &access, sizeof(access), NULL, 0);

    if (rc == 0) {
        CHECK_EQ(rig->reply.payload_bytes, sizeof(access) + count);
        CHECK(memcmp(rig->reply.payload, &access, sizeof(access)) == 0);
        memcpy(data, rig->reply.payload + sizeof(access), count);
    }
    return rc;
}

static uint32_t fill_write(uint8_t *out, uint32_t region, uint64_t offset, uint32_t count, const void *data)
{
    const struct vfu_region_access access = {offset, region, count};

    memcpy(out, &access, sizeof(access));
    memcpy(out + sizeof(access), data, count);
    return (uint32_t)sizeof(access) + count;
}

int rig_region_write(struct rig *rig, uint32_t region, uint64_t offset, uint32_t count, const void *data)
{
    static uint8_t out[VFU_MAX_PAYLOAD_BYTES];
    uint32_t bytes = fill_write(out, region, offset, count, data);
    int rc = rig_ask(rig, VFU_REGION_WRITE, out, bytes, NULL, 0);

    if (rc == 0) {
        CHECK_EQ(rig->reply.payload_bytes, sizeof(struct vfu_region_access));
    }
    return rc;
}

uint32_t rig_reg(struct rig *rig, uint32_t offset)
{
    uint32_t value;

    CHECK_EQ(rig_region_read(rig, 0, offset, 4, &value), 0);
    return value;
}

void rig_set_reg(struct rig *rig, uint32_t offset, uint32_t value)
{
    uint8_t out[64];
    uint32_t bytes = fill_write(out, 0, offset, 4, &value);

    rig_request(rig, VFU_REGION_WRITE, VFU_FLAG_NO_REPLY, out, bytes, NULL, 0);
    step(rig);
    CHECK(rig_is_silent(rig));
}

void rig_set_command(struct rig *rig, uint16_t value)
{
    CHECK_EQ(rig_region_write(rig, VFU_REGION_CONFIG, 4, 2, &value), 0);
}
