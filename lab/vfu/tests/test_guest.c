/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Two guests with a served VF each: frames, interrupts, resets, and what becomes of one whose neighbour dies.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "rig.h"
#include "softvf_rules.h"
#include "vfring_regs_82576.h"

#define DEVCTL 0xa8u /* of the PCI Express capability */

static struct guest a, b;
static unsigned complaints;

static void hear(enum softvf_rule rule, const char *text)
{
    (void)rule;
    (void)text;
    complaints++;
}

static void boot(void)
{
    guest_boot(&a, 0);
    guest_boot(&b, 1);
    complaints = 0;
}

static void halt(void)
{
    guest_halt(&a);
    guest_halt(&b);
}

static void expect_both_ways(uint32_t bytes, uint8_t seed)
{
    CHECK(guest_send(&a, b.mac, bytes, seed));
    CHECK_EQ(guest_receive(&b, seed), bytes);
    CHECK(guest_send(&b, a.mac, bytes, (uint8_t)~seed));
    CHECK_EQ(guest_receive(&a, (uint8_t)~seed), bytes);
}

static void frames_both_ways(void)
{
    boot();
    for (uint32_t i = 0; i < 150; i++) {
        expect_both_ways(60 + i * 60, (uint8_t)i);
    }
    CHECK_EQ(complaints, 0);
    CHECK_EQ(rig_reg(&b.rig, VFRING_82576_VFGPRC), 150);
    halt();
}

static uint64_t count_of(int fd)
{
    uint64_t count = 0;

    return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void interrupts_come_by_eventfd(void)
{
    int fds[3];

    boot();
    for (int i = 0; i < 3; i++) {
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        CHECK(fds[i] >= 0);
    }
    CHECK_EQ(rig_vectors(&b.rig, 0, 3, fds, 3), 0);
    rig_set_reg(&b.rig, VFRING_82576_IVAR0, VFRING_IVAR_VALID | 1u); /* reception: vector 1 */
    rig_set_reg(&b.rig, VFRING_82576_EIAC, VFRING_EI_MASK);
    rig_set_reg(&b.rig, VFRING_82576_EIMS, VFRING_EI_MASK);
    CHECK(guest_send(&a, b.mac, 60, 1));
    CHECK_EQ(guest_receive(&b, 1), 60);
    CHECK_EQ(count_of(fds[1]), 1);
    rig_set_reg(&b.rig, VFRING_82576_EICS, 4);
    CHECK_EQ(count_of(fds[2]), 1);
    CHECK_EQ(rig_vectors(&b.rig, 2, 1, NULL, 0), 0); /* vector 2 has no eventfd any more */
    rig_set_reg(&b.rig, VFRING_82576_EICS, 7);
    CHECK_EQ(count_of(fds[0]), 1);
    CHECK_EQ(count_of(fds[1]), 1);
    CHECK_EQ(count_of(fds[2]), 0);
    rig_set_command(&b.rig, PCI_COMMAND_MEMORY); /* no bus master: no message */
    rig_set_reg(&b.rig, VFRING_82576_EICS, 1);
    CHECK_EQ(count_of(fds[0]), 0);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    halt();
}

static void pieces_that_are_neighbours_for_the_device_alone(void)
{
    /* As an IOMMU in the guest has them: page by page, and in the file the wrong way round. */
    boot();
    CHECK_EQ(rig_unmap(&b.rig, 0, 0, VFU_UNMAP_FLAG_ALL), 0);
    memset(b.rig.memory, 0, RIG_MEMORY_BYTES);
    uint8_t *turned = mmap(NULL, RIG_MEMORY_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(turned != MAP_FAILED);
    for (uint64_t at = 0; at < RIG_MEMORY_BYTES / 4; at += 4096) {
        uint64_t offset = RIG_MEMORY_BYTES - 4096 - at;
        CHECK_EQ(rig_map(&b.rig, RIG_MEMORY_IOVA + at, 4096, b.rig.memory_fd, offset), 0);
        CHECK(mmap(turned + at, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, b.rig.memory_fd, (off_t)offset) !=
              MAP_FAILED);
    }
    munmap(b.rig.memory, RIG_MEMORY_BYTES);
    b.rig.memory = turned;
    guest_start_driver(&b);
    expect_both_ways(9014, 3);
    CHECK_EQ(complaints, 0);
    halt();
}

static void without_bus_mastering_nothing_moves(void)
{
    boot();
    rig_set_command(&a.rig, PCI_COMMAND_MEMORY);
    CHECK(!guest_send(&a, b.mac, 60, 1));
    CHECK_EQ(guest_receive(&b, 1), -1);
    halt();
}

static void a_function_level_reset_stops_it_and_it_starts_again(void)
{
    const uint16_t flr = 1u << 15;
    uint16_t command;

    boot();
    CHECK_EQ(rig_region_write(&b.rig, VFU_REGION_CONFIG, DEVCTL, 2, &flr), 0);
    CHECK_EQ(rig_region_read(&b.rig, VFU_REGION_CONFIG, 4, 2, &command), 0);
    CHECK_EQ(command, 0);
    CHECK(guest_send(&a, b.mac, 60, 1));
    CHECK_EQ(vfu_server_wake(&b.rig.server), 0);
    guest_start_driver(&b); /* memory and vectors are still there */
    expect_both_ways(1514, 2);
    CHECK_EQ(rig_ask(&b.rig, VFU_RESET, NULL, 0, NULL, 0), 0);
    guest_start_driver(&b);
    expect_both_ways(1514, 3);
    halt();
}

static void memory_that_is_taken_away_is_not_touched(void)
{
    boot();
    memset(b.rig.memory + 0x10000, 0xee, 4096);
    CHECK_EQ(rig_unmap(&b.rig, RIG_MEMORY_IOVA + 0x10000, 4096, 0), 0); /* its first two buffers */
    CHECK(guest_send(&a, b.mac, 60, 1));
    CHECK_EQ(guest_receive(&b, 1), 0); /* an error frame */
    for (int i = 0; i < 4096; i++) {
        CHECK_EQ(b.rig.memory[0x10000 + i], 0xee);
    }
    CHECK(complaints > 0);
    halt();
}

static void a_client_that_dies_leaves_nothing_and_another_may_come(void)
{
    const uint8_t half[] = {1, 0, VFU_REGION_WRITE, 0, 100, 0, 0, 0};
    int ends[2], fds[3];

    boot();
    for (int i = 0; i < 3; i++) {
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        CHECK(fds[i] >= 0);
    }
    CHECK_EQ(rig_vectors(&b.rig, 0, 3, fds, 3), 0);
    rig_send(&b.rig, half, sizeof(half), NULL, 0);
    close(b.rig.fd);
    b.rig.fd = -1;
    CHECK_EQ(rig_last_step(&b.rig), -ECONNRESET);
    CHECK(guest_send(&a, b.mac, 60, 1)); /* its neighbour notices nothing */
    CHECK_EQ(vfu_server_wake(&b.rig.server), 0);
    CHECK_EQ(guest_receive(&b, 1), -1);
    CHECK_EQ(b.rig.server.function.dma.num_maps, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(b.rig.server.function.irq.fds[i], -1);
        close(fds[i]);
    }
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    b.rig.fd = ends[0];
    vfu_server_attach(&b.rig.server, ends[1]);
    rig_negotiate(&b.rig, true);
    guest_start_driver(&b);
    expect_both_ways(1514, 2);
    halt();
}

static void memory_that_shrinks_costs_the_client_its_device(void)
{
    boot();
    munmap(b.rig.memory, RIG_MEMORY_BYTES);
    CHECK_EQ(ftruncate(b.rig.memory_fd, 0), 0);
    CHECK(guest_send(&a, b.mac, 60, 1));
    CHECK_EQ(vfu_server_wake(&b.rig.server), -EFAULT);
    CHECK(!vfu_server_has_client(&b.rig.server));
    CHECK_EQ(ftruncate(b.rig.memory_fd, RIG_MEMORY_BYTES), 0);
    b.rig.memory = mmap(NULL, RIG_MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, b.rig.memory_fd, 0);
    CHECK(b.rig.memory != MAP_FAILED);
    CHECK(guest_send(&a, b.mac, 60, 1));
    halt();
}

/* --- memory without a file --- */

#define OWN_REQUESTS 3u

/** Sends requests of its own, and serves DMA_READ and DMA_WRITE from the guest's memory until these are answered, in order. */
static void *answer(void *arg)
{
    struct rig *rig = arg;
    struct vfu_dma_access access;
    const struct vfu_device_info info = {.argsz = sizeof(info)};
    uint16_t first = 0;
    unsigned num_asked = 0, num_answered = 0;

    while (num_answered < OWN_REQUESTS) {
        struct vfu_header header;
        static uint8_t data[sizeof(access) + VFU_MAX_DATA_BYTES];
        CHECK_EQ(recv(rig->fd, &header, sizeof(header), MSG_WAITALL), sizeof(header));
        uint32_t bytes = header.bytes - (uint32_t)sizeof(header);
        if (header.flags == VFU_FLAG_REPLY) {
            CHECK_EQ(header.command, VFU_GET_INFO);
            CHECK_EQ(header.id, first + num_answered++);
            CHECK_EQ(recv(rig->fd, data, bytes, MSG_WAITALL), sizeof(info));
            continue;
        }
        if (num_asked < OWN_REQUESTS) { /* while the server waits for an answer of ours */
            uint16_t id = rig_request(rig, VFU_GET_INFO, 0, &info, sizeof(info), NULL, 0);
            first = num_asked++ == 0 ? id : first;
        }
        CHECK_EQ(recv(rig->fd, data, bytes, MSG_WAITALL), bytes);
        memcpy(&access, data, sizeof(access));
        CHECK(access.iova >= RIG_MEMORY_IOVA && access.iova + access.count <= RIG_MEMORY_IOVA + RIG_MEMORY_BYTES);
        uint8_t *there = rig->memory + (access.iova - RIG_MEMORY_IOVA);
        header.flags = VFU_FLAG_REPLY;
        if (header.command == VFU_DMA_READ) {
            memcpy(data + sizeof(access), there, access.count);
        } else {
            CHECK_EQ(header.command, VFU_DMA_WRITE);
            memcpy(there, data + sizeof(access), access.count);
        }
        header.bytes = (uint32_t)(sizeof(header) + sizeof(access) + (header.command == VFU_DMA_READ ? access.count : 0));
        CHECK_EQ(send(rig->fd, &header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
        CHECK_EQ(send(rig->fd, data, header.bytes - sizeof(header), MSG_NOSIGNAL), header.bytes - sizeof(header));
    }
    return NULL;
}

static void memory_without_a_file_is_reached_by_messages(void)
{
    pthread_t thread;

    guest_boot(&a, 0);
    memset(&b, 0, sizeof(b));
    rig_start(&b.rig, 1, true);
    rig_negotiate(&b.rig, false);
    guest_start_driver(&b);
    CHECK(guest_send(&a, b.mac, 9014, 5));
    CHECK_EQ(pthread_create(&thread, NULL, answer, &b.rig), 0);
    CHECK_EQ(vfu_server_wake(&b.rig.server), 0);
    CHECK(vfu_server_has_work(&b.rig.server));
    for (unsigned i = 0; i < OWN_REQUESTS; i++) {
        CHECK_EQ(vfu_server_step(&b.rig.server), 0);
    }
    CHECK(!vfu_server_has_work(&b.rig.server));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    const union vfring_rx_desc *desc = (void *)(b.rig.memory + 0x2000);
    for (int i = 0; i < 5; i++) {
        CHECK((desc[i].wb.status_error & VFRING_RXD_DD) != 0);
    }
    CHECK((desc[4].wb.status_error & VFRING_RXD_EOP) != 0);
    CHECK_EQ(desc[0].wb.length_bytes + desc[1].wb.length_bytes + desc[2].wb.length_bytes + desc[3].wb.length_bytes +
                 desc[4].wb.length_bytes, 9014);
    CHECK_EQ(b.rig.memory[0x10000 + 100], 105);
    halt();
}

static void memory_without_a_file_is_out_of_reach_by_default(void)
{
    boot();
    CHECK_EQ(rig_unmap(&b.rig, 0, 0, VFU_UNMAP_FLAG_ALL), 0);
    CHECK_EQ(rig_map(&b.rig, RIG_MEMORY_IOVA, RIG_MEMORY_BYTES, -1, 0), 0);
    CHECK(guest_send(&a, b.mac, 60, 1));
    CHECK_EQ(guest_receive(&b, 1), -1);
    CHECK(b.rig.server.function.num_faults > 0);
    CHECK(complaints > 0);
    CHECK(rig_is_silent(&b.rig)); /* nothing was asked of the client */
    halt();
}

int main(void)
{
    softvf_violation_listener = hear;
    RUN(frames_both_ways);
    RUN(interrupts_come_by_eventfd);
    RUN(pieces_that_are_neighbours_for_the_device_alone);
    RUN(without_bus_mastering_nothing_moves);
    RUN(a_function_level_reset_stops_it_and_it_starts_again);
    RUN(memory_that_is_taken_away_is_not_touched);
    RUN(a_client_that_dies_leaves_nothing_and_another_may_come);
    RUN(memory_that_shrinks_costs_the_client_its_device);
    RUN(memory_without_a_file_is_reached_by_messages);
    RUN(memory_without_a_file_is_out_of_reach_by_default);
    return 0;
}
