/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A played client of vfring-vfu's server: both in this process, at the two ends of a
 * socket pair, one step after the other.
 */
#ifndef VFU_TESTS_RIG_H
#define VFU_TESTS_RIG_H

#include "vfu_server.h"

#define RIG_MEMORY_BYTES (4u << 20)
#define RIG_MEMORY_IOVA 0x100000000ull

struct rig {
    struct vfu_server server;
    bool is_elsewhere;   /* the server is another process, and takes its steps itself */
    int fd;              /* the client's end; -1: hung up */
    uint16_t id;
    int memory_fd;       /* the guest's memory, and where it is here */
    uint8_t *memory;
    struct vfu_message reply;
    const char *path;
};

/** A folder for soft VFs, removed at exit; and the file of VF @p index in it, made anew. */
const char *rig_folder(void);
const char *rig_vf(uint32_t index, uint32_t rate_mbits);
/** Those made from now on are of this model; NULL: 82576. */
void rig_set_model(const char *model);

/** Serves VF @p index, and connects. Nothing is said yet. */
void rig_start(struct rig *rig, uint32_t index, bool use_messages);
/** The same, with a vfring-vfu that listens at @p socket_path already. */
void rig_connect(struct rig *rig, const char *socket_path);
/** VERSION, and the memory mapped if @p with_file, else named without a file. */
void rig_negotiate(struct rig *rig, bool with_file);
void rig_stop(struct rig *rig);

/** Sends what is in @p bytes, in one piece, with descriptors. */
void rig_send(struct rig *rig, const void *bytes, size_t num, const int *fds, unsigned num_fds);
/** A request; its id. */
uint16_t rig_request(struct rig *rig, uint16_t command, uint32_t flags, const void *payload, uint32_t bytes,
                     const int *fds, unsigned num_fds);
/** A request, the server's step, its reply in rig->reply. The errno in it, or 0. */
int rig_ask(struct rig *rig, uint16_t command, const void *payload, uint32_t bytes, const int *fds, unsigned num_fds);
/** Reads a message that is there. */
void rig_receive(struct rig *rig);
bool rig_is_silent(const struct rig *rig);
/** The server's view of the client's death: steps until it notices; the reason. */
int rig_last_step(struct rig *rig);

int rig_map(struct rig *rig, uint64_t iova, uint64_t bytes, int fd, uint64_t offset);
int rig_unmap(struct rig *rig, uint64_t iova, uint64_t bytes, uint32_t flags);
/** SET_IRQS of MSI-X, with DATA_EVENTFD | ACTION_TRIGGER. */
int rig_vectors(struct rig *rig, uint32_t start, uint32_t count, const int *fds, unsigned num_fds);

int rig_region_read(struct rig *rig, uint32_t region, uint64_t offset, uint32_t count, void *data);
int rig_region_write(struct rig *rig, uint32_t region, uint64_t offset, uint32_t count, const void *data);
/** Registers of BAR 0; writes are posted, as QEMU's are. */
uint32_t rig_reg(struct rig *rig, uint32_t offset);
void rig_set_reg(struct rig *rig, uint32_t offset, uint32_t value);
/** COMMAND of the configuration space. */
void rig_set_command(struct rig *rig, uint16_t value);

/* --- a driver of an 82576 VF behind it --- */

#define GUEST_ENTRIES 64u
#define GUEST_BUFFER_BYTES 2048u

struct guest {
    struct rig rig;
    uint8_t mac[6];
    uint32_t tx_next, rx_next, rx_tail;
};

/** Serves VF @p index to a driver, up to rings that are on. */
void guest_boot(struct guest *guest, uint32_t index);
/** The same, with a vfring-vfu that listens at @p socket_path already. */
void guest_boot_at(struct guest *guest, const char *socket_path);
/** RESET and SET_LPE over the mailbox, rings; after guest_boot() again where the function was reset. */
void guest_start_driver(struct guest *guest);
void guest_halt(struct guest *guest);
/** Sends @p bytes: body[i] = seed + i. Whether DD came. */
bool guest_send(struct guest *guest, const uint8_t dst[6], uint32_t bytes, uint8_t seed);
/** The next frame's length, after what waits has been served; it is guest_send()'s with @p seed. -1: none. */
int guest_receive(struct guest *guest, uint8_t seed);

#endif /* VFU_TESTS_RIG_H */
