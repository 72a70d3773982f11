/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a client may say, in which order, and what it gets for what it may not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "rig.h"
#include "vfring_regs_82576.h"
#include "vfring_regs_82599.h"

#define CONFIG VFU_REGION_CONFIG

static struct rig rig;

static void begin(void)
{
    rig_start(&rig, 0, false);
    rig_negotiate(&rig, true);
}

static int version(const char *json, size_t bytes)
{
    uint8_t out[512] = {0};

    memcpy(out + 4, json, bytes);
    return rig_ask(&rig, VFU_VERSION, out, (uint32_t)(4 + bytes), NULL, 0);
}

#define VERSION(text) version(text, sizeof(text))

static void version_comes_first_and_once(void)
{
    uint32_t words[4] = {sizeof(words)};
    const uint16_t other[2] = {1, 0};

    rig_start(&rig, 0, false);
    CHECK_EQ(rig_ask(&rig, VFU_GET_INFO, words, sizeof(words), NULL, 0), EINVAL);
    CHECK_EQ(rig_ask(&rig, VFU_VERSION, other, sizeof(other), NULL, 0), ENOTSUP);
    CHECK_EQ(VERSION("{"), EINVAL);
    CHECK_EQ(VERSION("[]"), EINVAL);
    CHECK_EQ(version("{}", 2), EINVAL); /* no zero */
    CHECK_EQ(VERSION("{\"capabilities\":3}"), EINVAL);
    CHECK_EQ(VERSION("{\"capabilities\":{\"max_data_xfer_size\":\"x\"}}"), EINVAL);
    CHECK_EQ(VERSION("{\"capabilities\":{\"max_data_xfer_size\":0}}"), EINVAL);
    CHECK_EQ(VERSION("{\"capabilities\":{\"max_data_xfer_size\":4096}}"), 0);
    CHECK_EQ(rig.server.client.max_data_bytes, 4096);
    CHECK(rig.reply.payload_bytes > 4 && rig.reply.payload[rig.reply.payload_bytes - 1] == 0);
    CHECK(rig.reply.payload[4] == '{' && memcmp(rig.reply.payload, "\0\0\0\0", 4) == 0);
    CHECK_EQ(VERSION("{\"capabilities\":{}}"), EINVAL);
    rig_stop(&rig);
}

/* A reply must have room where the client reserved it for its own message. */
static void the_answer_is_no_longer_than_a_usual_question(void)
{
    begin();
    CHECK(rig.server.negotiated);
    uint8_t out[256];
    CHECK(vfu_version_answer(out, sizeof(out)) <= 4 + sizeof("{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}"));
    CHECK_EQ(vfu_version_answer(out, 20), 0);
    rig_stop(&rig);
}

static void the_device_describes_itself(void)
{
    struct vfu_device_info device = {.argsz = sizeof(device)};
    struct vfu_region_info region = {.argsz = sizeof(region)};
    struct vfu_irq_info irq = {.argsz = sizeof(irq)};

    begin();
    CHECK_EQ(rig_ask(&rig, VFU_GET_INFO, &device, sizeof(device), NULL, 0), 0);
    memcpy(&device, rig.reply.payload, sizeof(device));
    CHECK_EQ(device.num_regions, VFU_NUM_REGIONS);
    CHECK_EQ(device.num_irqs, VFU_NUM_IRQS);
    CHECK_EQ(device.flags, VFU_INFO_FLAG_PCI | VFU_INFO_FLAG_RESET);
    for (uint32_t i = 0; i <= VFU_NUM_REGIONS; i++) {
        region = (struct vfu_region_info){.argsz = sizeof(region), .index = i};
        CHECK_EQ(rig_ask(&rig, VFU_GET_REGION_INFO, &region, sizeof(region), NULL, 0), i == VFU_NUM_REGIONS ? EINVAL : 0);
        if (i < VFU_NUM_REGIONS) {
            memcpy(&region, rig.reply.payload, sizeof(region));
            CHECK_EQ(region.index, i);
            CHECK_EQ(region.bytes, i == 0 || i == 3 ? 16384 : i == CONFIG ? 4096 : 0);
            CHECK_EQ(region.flags, region.bytes != 0 ? VFU_REGION_FLAG_READ | VFU_REGION_FLAG_WRITE : 0);
        }
    }
    for (uint32_t i = 0; i <= VFU_NUM_IRQS; i++) {
        irq = (struct vfu_irq_info){.argsz = sizeof(irq), .index = i};
        CHECK_EQ(rig_ask(&rig, VFU_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0), i > VFU_IRQ_MSIX ? EINVAL : 0);
        if (i <= VFU_IRQ_MSIX) {
            memcpy(&irq, rig.reply.payload, sizeof(irq));
            CHECK_EQ(irq.count, i == VFU_IRQ_MSIX ? 3 : 0);
        }
    }
    rig_stop(&rig);
}

static uint32_t config(uint32_t offset, uint32_t bytes)
{
    uint32_t value = 0;

    CHECK_EQ(rig_region_read(&rig, CONFIG, offset, bytes, &value), 0);
    return value;
}

static void set_config(uint32_t offset, uint32_t value, uint32_t bytes)
{
    CHECK_EQ(rig_region_write(&rig, CONFIG, offset, bytes, &value), 0);
}

static void configuration_space_is_a_functions(void)
{
    uint8_t all[4096];
    unsigned found = 0;

    begin();
    CHECK_EQ(rig_region_read(&rig, CONFIG, 0, sizeof(all), all), 0);
    CHECK_EQ(config(PCI_VENDOR_ID, 4), (uint32_t)VFRING_82576_VF_DEVICE_ID << 16 | VFRING_82576_VENDOR_ID);
    CHECK_EQ(config(PCI_CLASS_DEVICE, 2), 0x0200);
    CHECK_EQ(config(PCI_INTERRUPT_PIN, 1), 0);
    set_config(PCI_VENDOR_ID, 0, 4);
    CHECK_EQ(config(PCI_VENDOR_ID, 2), VFRING_82576_VENDOR_ID);
    for (uint32_t at = config(PCI_CAPABILITY_LIST, 1), i = 0; at != 0 && i < 8; at = config(at + 1, 1), i++) {
        found |= config(at, 1) == PCI_CAP_ID_MSIX ? 1 : config(at, 1) == PCI_CAP_ID_EXP ? 2 : 4;
    }
    CHECK_EQ(found, 3);
    set_config(PCI_BASE_ADDRESS_0, 0xffffffff, 4);
    CHECK_EQ(config(PCI_BASE_ADDRESS_0, 4), 0xffffc00c);
    set_config(PCI_BASE_ADDRESS_0 + 4, 0xffffffff, 4);
    CHECK_EQ(config(PCI_BASE_ADDRESS_0 + 4, 4), 0xffffffff);
    CHECK_EQ(config(PCI_BASE_ADDRESS_2, 4), 0);
    set_config(PCI_COMMAND + 1, 0x04, 1); /* half of a register */
    CHECK_EQ(config(PCI_COMMAND, 2), PCI_COMMAND_INTX_DISABLE);
    rig_stop(&rig);
}

static void other_models_are_other_cards(void)
{
    const struct { const char *model; uint16_t device_id; } models[] = {
        {"82599", VFRING_82599_VF_DEVICE_ID}, {"x540", VFRING_X540_VF_DEVICE_ID}};

    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        rig_set_model(models[i].model);
        begin();
        CHECK_EQ(config(PCI_VENDOR_ID, 4), (uint32_t)models[i].device_id << 16 | VFRING_82599_VENDOR_ID);
        rig_set_command(&rig, PCI_COMMAND_MEMORY);
        CHECK((rig_reg(&rig, VFRING_82599_LINKS) & VFRING_82599_LINKS_UP) != 0);
        rig_stop(&rig);
    }
    rig_set_model(NULL);
}

static void registers_are_there_once_memory_is_on(void)
{
    uint64_t both = 0;
    uint8_t byte;

    begin();
    CHECK_EQ(rig_reg(&rig, VFRING_82576_STATUS), 0xffffffff);
    rig_set_command(&rig, PCI_COMMAND_MEMORY);
    CHECK((rig_reg(&rig, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU) != 0);
    rig_set_reg(&rig, VFRING_82576_TDLEN(0), 1024);
    CHECK_EQ(rig_reg(&rig, VFRING_82576_TDLEN(0)), 1024);
    CHECK_EQ(rig_region_read(&rig, 0, VFRING_82576_TDBAL(0), 8, &both), 0);
    CHECK_EQ(rig_region_read(&rig, 0, VFRING_82576_STATUS + 1, 2, &both), EINVAL);
    CHECK_EQ(rig_region_read(&rig, 0, VFRING_82576_STATUS, 3, &both), EINVAL);
    CHECK_EQ(rig_region_read(&rig, 0, VFRING_82576_STATUS, 1, &byte), 0); /* of which the model complains */
    CHECK_EQ(byte, 0xff);
    CHECK_EQ(rig_region_read(&rig, VFU_BAR_MSIX, VFU_MSIX_PBA_OFFSET, 8, &both), 0);
    CHECK_EQ(both, 0);
    rig_stop(&rig);
}

static void accesses_outside_a_region_are_refused(void)
{
    const struct { uint32_t region; uint64_t offset; uint32_t count; } bad[] = {
        {0, 16384, 4}, {0, 16382, 4}, {0, UINT64_MAX, 4}, {0, UINT64_MAX - 3, 4}, {0, 0, 0},  {1, 0, 4}, {6, 0, 1}, {8, 0, 1},
        {9, 0, 1}, {UINT32_MAX, 0, 4}, {CONFIG, 4096, 1}, {CONFIG, 4095, 2}, {CONFIG, 0, 4097}, {3, 16380, 8},
        {CONFIG, 0, UINT32_MAX},
    };
    uint8_t data[64] = {0};

    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct vfu_region_access access = {bad[i].offset, bad[i].region, bad[i].count};
        CHECK_EQ(rig_ask(&rig, VFU_REGION_READ, &access, sizeof(access), NULL, 0), EINVAL);
        if (bad[i].count <= sizeof(data)) {
            CHECK_EQ(rig_region_write(&rig, bad[i].region, bad[i].offset, bad[i].count, data), EINVAL);
        }
    }
    /* A count that is not that of the data. */
    uint8_t out[sizeof(struct vfu_region_access) + 4] = {0};
    const struct vfu_region_access more = {.region = CONFIG, .offset = 4, .count = 8};
    memcpy(out, &more, sizeof(more));
    CHECK_EQ(rig_ask(&rig, VFU_REGION_WRITE, out, sizeof(out), NULL, 0), EINVAL);
    rig_stop(&rig);
}

static void sizes_and_commands_are_checked_before_they_are_looked_at(void)
{
    static const uint16_t known[] = {VFU_DMA_MAP, VFU_DMA_UNMAP, VFU_GET_INFO, VFU_GET_REGION_INFO, VFU_GET_IRQ_INFO,
                                     VFU_SET_IRQS, VFU_REGION_READ, VFU_REGION_WRITE};
    uint8_t out[200] = {0};
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    begin();
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        CHECK_EQ(rig_ask(&rig, known[i], NULL, 0, NULL, 0), EINVAL);
        CHECK_EQ(rig_ask(&rig, known[i], out, 15, NULL, 0), EINVAL);
        CHECK_EQ(rig_ask(&rig, known[i], out, sizeof(out), NULL, 0), EINVAL);
        if (known[i] != VFU_DMA_MAP && known[i] != VFU_SET_IRQS) {
            CHECK_EQ(rig_ask(&rig, known[i], out, 32, &fd, 1), EINVAL);
        }
    }
    CHECK_EQ(rig_ask(&rig, VFU_RESET, out, 1, NULL, 0), EINVAL);
    CHECK_EQ(rig_ask(&rig, VFU_GET_INFO, out, 16, NULL, 0), EINVAL); /* argsz is 0 */
    for (uint32_t command = 0; command < 70; command++) {
        if (command == 0 || command == VFU_GET_REGION_IO_FDS || command == VFU_DMA_READ || command == VFU_DMA_WRITE ||
            command > VFU_RESET) {
            CHECK_EQ(rig_ask(&rig, (uint16_t)command, out, 24, NULL, 0), ENOTSUP);
        }
    }
    rig_request(&rig, 99, VFU_FLAG_NO_REPLY, out, 24, NULL, 0); /* not even an error comes back */
    CHECK_EQ(vfu_server_step(&rig.server), 0);
    CHECK(rig_is_silent(&rig));
    close(fd);
    rig_stop(&rig);
}

static unsigned open_files(void)
{
    unsigned num = 0;

    for (int fd = 0; fd < 256; fd++) {
        num += fcntl(fd, F_GETFD) >= 0;
    }
    return num;
}

static void vectors_are_checked_and_closed(void)
{
    int fds[16];
    struct vfu_irq_set set = {.argsz = sizeof(set), .flags = VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_TRIGGER,
                              .index = VFU_IRQ_MSIX};

    for (int i = 0; i < 16; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    begin();
    unsigned before = open_files();
    CHECK_EQ(rig_vectors(&rig, 0, 3, fds, 3), 0);
    CHECK_EQ(rig_vectors(&rig, 0, 1, fds, 1), 0); /* over what is there */
    CHECK_EQ(open_files(), before + 3);
    CHECK_EQ(rig_vectors(&rig, 0, 3, fds, 2), EINVAL);
    CHECK_EQ(rig_vectors(&rig, 0, 4, fds, 4), EINVAL);
    CHECK_EQ(rig_vectors(&rig, 3, 1, fds, 1), EINVAL);
    CHECK_EQ(rig_vectors(&rig, UINT32_MAX, 2, fds, 2), EINVAL);
    CHECK_EQ(rig_vectors(&rig, 0, 16, fds, 16), EINVAL);
    set.flags = VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_MASK;
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), ENOTSUP);
    set.flags = VFU_SET_ACTION_TRIGGER;
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), EINVAL);
    set.flags = VFU_SET_DATA_BOOL | VFU_SET_ACTION_TRIGGER;
    set.count = 3;
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), EINVAL); /* without its data */
    set.flags = VFU_SET_DATA_NONE | VFU_SET_ACTION_TRIGGER;
    set.count = 2;
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), 0);
    uint64_t count = 0;
    CHECK_EQ(read(fds[1], &count, sizeof(count)), sizeof(count));
    set.index = VFU_NUM_IRQS;
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), EINVAL);
    set.index = VFU_IRQ_INTX;
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), EINVAL);
    set.index = VFU_IRQ_MSIX;
    set.count = 0;
    CHECK_EQ(open_files(), before + 3);
    CHECK_EQ(rig_ask(&rig, VFU_SET_IRQS, &set, sizeof(set), NULL, 0), 0); /* off */
    CHECK_EQ(open_files(), before);
    for (int i = 0; i < 16; i++) {
        close(fds[i]);
    }
    rig_stop(&rig);
}

static void maps_are_answered_as_they_should(void)
{
    struct vfu_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = 0x1000, .bytes = 0x1000};

    begin();
    CHECK_EQ(rig_map(&rig, RIG_MEMORY_IOVA, 4096, rig.memory_fd, 0), EEXIST);
    CHECK_EQ(rig_map(&rig, 0, 4096, rig.memory_fd, RIG_MEMORY_BYTES), EINVAL);
    CHECK_EQ(rig_map(&rig, 0, 4096, -1, 0), 0);
    CHECK_EQ(rig.reply.payload_bytes, 0);
    CHECK_EQ(rig_ask(&rig, VFU_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0), 0); /* nothing is there */
    CHECK_EQ(rig.reply.payload_bytes, sizeof(unmap));
    CHECK_EQ(rig_unmap(&rig, 0, 1ull << 47, 0), 0);
    CHECK_EQ(rig_unmap(&rig, 0, 4096, VFU_UNMAP_FLAG_ALL), EINVAL);
    CHECK_EQ(rig_unmap(&rig, 0, 4096, 1), EINVAL);
    CHECK_EQ(rig_unmap(&rig, 0, 0, VFU_UNMAP_FLAG_ALL), 0);
    rig_stop(&rig);
}

static void ended_by(const void *bytes, size_t num, int why)
{
    unsigned before = open_files();

    begin();
    rig_send(&rig, bytes, num, NULL, 0);
    shutdown(rig.fd, SHUT_WR);
    CHECK_EQ(rig_last_step(&rig), why);
    rig_stop(&rig);
    CHECK_EQ(open_files(), before);
}

static void garbage_ends_the_connection_and_nothing_else(void)
{
    struct vfu_header header = {.command = VFU_GET_INFO, .bytes = 15};
    int fds[33];

    ended_by("", 0, -ENOTCONN);
    ended_by("GET", 3, -ECONNRESET);
    ended_by(&header, sizeof(header), -EPROTO); /* shorter than a header */
    header.bytes = 0;
    ended_by(&header, sizeof(header), -EPROTO);
    header.bytes = UINT32_MAX;
    ended_by(&header, sizeof(header), -EPROTO);
    header.bytes = sizeof(header) + VFU_MAX_PAYLOAD_BYTES + 1;
    ended_by(&header, sizeof(header), -EPROTO);
    header.bytes = 32;
    ended_by(&header, sizeof(header), -ECONNRESET); /* the rest never comes */
    header.bytes = sizeof(header);
    header.flags = VFU_FLAG_REPLY;
    ended_by(&header, sizeof(header), -EPROTO); /* a reply to nothing */

    unsigned before = open_files();
    begin();
    header = (struct vfu_header){.command = VFU_GET_INFO, .bytes = sizeof(header)};
    for (int i = 0; i < 33; i++) {
        fds[i] = rig.memory_fd;
    }
    rig_send(&rig, &header, sizeof(header), fds, 33);
    CHECK_EQ(rig_last_step(&rig), -EPROTO);
    rig_stop(&rig);
    CHECK_EQ(open_files(), before);
}

/* In any pieces, with others behind it. */
static void a_message_may_come_in_pieces(void)
{
    struct { struct vfu_header header; struct vfu_device_info info; } both[2];

    begin();
    for (int i = 0; i < 2; i++) {
        both[i].header = (struct vfu_header){.id = (uint16_t)(500 + i), .command = VFU_GET_INFO, .bytes = sizeof(both[0])};
        both[i].info = (struct vfu_device_info){.argsz = sizeof(both[0].info)};
    }
    rig_send(&rig, both, sizeof(both) - 7, NULL, 0);
    CHECK_EQ(vfu_server_step(&rig.server), 0);
    rig_receive(&rig);
    CHECK_EQ(rig.reply.header.id, 500);
    rig_send(&rig, (uint8_t *)both + sizeof(both) - 7, 7, NULL, 0);
    CHECK_EQ(vfu_server_step(&rig.server), 0);
    rig_receive(&rig);
    CHECK_EQ(rig.reply.header.id, 501);
    rig_stop(&rig);
}

int main(void)
{
    RUN(version_comes_first_and_once);
    RUN(the_answer_is_no_longer_than_a_usual_question);
    RUN(the_device_describes_itself);
    RUN(configuration_space_is_a_functions);
    RUN(other_models_are_other_cards);
    RUN(registers_are_there_once_memory_is_on);
    RUN(accesses_outside_a_region_are_refused);
    RUN(sizes_and_commands_are_checked_before_they_are_looked_at);
    RUN(vectors_are_checked_and_closed);
    RUN(maps_are_answered_as_they_should);
    RUN(garbage_ends_the_connection_and_nothing_else);
    RUN(a_message_may_come_in_pieces);
    return 0;
}
