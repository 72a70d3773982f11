/* SPDX-License-Identifier: BSD-3-Clause */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define ETHERTYPE_HI 0x88
#define ETHERTYPE_LO 0xb5
#define HEADER_BYTES 14
#define NUMBER_BYTES 4
/* Slots and rings together stay below the usual 8 MiB of locked memory. */
#define SLOTS 512u
#define SLOTS_JUMBO 256u

extern char **environ;

static char folder[128];
static char paths[16][160];
static pid_t folder_owner;

static void folder_remove(void)
{
    if (getpid() != folder_owner) {
        return; /* a forked child */
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (paths[i][0] != '\0') {
            unlink(paths[i]);
        }
    }
    rmdir(folder);
}

static void run_tool(const char *const argv[])
{
    pid_t pid;
    int status;

    CHECK_EQ(posix_spawn(&pid, argv[0], NULL, NULL, (char *const *) (uintptr_t) argv, environ), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

const char *soft_model(void)
{
    const char *model = getenv("VFRING_SOFT_MODEL");

    return model != NULL ? model : "82576";
}

void soft_replace(unsigned index, uint32_t mtu_bytes)
{
    char number[16];
    char mac[32];
    char mtu[16];

    snprintf(number, sizeof(number), "%u", index);
    snprintf(mac, sizeof(mac), "02:76:66:00:00:%02x", index + 1);
    snprintf(mtu, sizeof(mtu), "%u", mtu_bytes);
    run_tool((const char *[]){ getenv("VFRING_SOFTVF"), "create", folder, "--index", number, "--mac", mac,
                         "--mtu", mtu, "--model", soft_model(), NULL });
    snprintf(paths[index], sizeof(paths[index]), "%s/vf%u", folder, index);
}

void soft_folder(unsigned count, uint32_t mtu_bytes)
{
    const char *tmp = getenv("TMPDIR");

    if (getenv("VFRING_SOFTVF") == NULL) {
        fprintf(stderr, "skipped: VFRING_SOFTVF does not name the tool vfring-softvf\n");
        exit(77);
    }
    snprintf(folder, sizeof(folder), "%.64s/vfring-vf-XXXXXX", tmp != NULL ? tmp : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
    folder_owner = getpid();
    atexit(folder_remove);
    for (unsigned i = 0; i < count; i++) {
        soft_replace(i, mtu_bytes);
    }
}

const char *soft_path(unsigned index)
{
    return paths[index];
}

static struct vfring_vf *open_or_exit(const struct vfring_vf_params *params)
{
    struct vfring_vf_error error;
    struct vfring_vf *vf;

    if (vfring_vf_open(params, &vf, &error) != 0) {
        fprintf(stderr, "%s: %s\n", error.text, error.remedy);
        exit(1);
    }
    return vf;
}

struct vfring_vf *soft_open(unsigned index, const struct vfring_vf_params *params)
{
    struct vfring_vf_params mine = *params;

    mine.path = soft_path(index);
    return open_or_exit(&mine);
}

void station_open_path(struct station *station, const struct vfring_vf_params *params)
{
    struct vfring_vf_error error;

    memset(station, 0, sizeof(*station));
    station->vf = open_or_exit(params);
    vfring_vf_query(station->vf, &station->info);
    station->slots = station->info.mtu_bytes > 2000 ? SLOTS_JUMBO : SLOTS;
    station->slot_bytes = (station->info.mtu_bytes + 18 + 63) & ~63u;
    if (vfring_vf_dma_alloc(station->vf, (size_t) station->slots * station->slot_bytes, VFRING_DMA_READ,
                            &station->mem, &error) != 0) {
        fprintf(stderr, "%s: %s\n", error.text, error.remedy);
        exit(1);
    }
}

void station_open(struct station *station, unsigned index, const struct vfring_vf_params *params)
{
    struct vfring_vf_params mine = *params;

    mine.path = soft_path(index);
    station_open_path(station, &mine);
}

void station_close(struct station *station)
{
    vfring_vf_dma_free(station->vf, &station->mem);
    vfring_vf_close(station->vf);
}

uint8_t *station_slot(struct station *station, uint64_t *iova)
{
    size_t offset = (size_t) station->next_slot * station->slot_bytes;

    station->next_slot = (station->next_slot + 1) % station->slots;
    *iova = station->mem.iova + offset;
    return (uint8_t *) station->mem.vaddr + offset;
}

static uint8_t pattern(uint32_t number, uint32_t i)
{
    return (uint8_t) (((number ^ i * 40503u) * 2654435761u) >> 24);
}

int station_post(struct station *station, const uint8_t dst[6], uint32_t number, uint32_t bytes,
                 unsigned num_segs, uint32_t *tx_seq)
{
    struct vfring_tx_seg segs[VFRING_TX_MAX_SEGS];
    uint64_t iova;
    uint8_t *frame = station_slot(station, &iova);
    uint32_t used = 0;

    memcpy(frame, dst, 6);
    memcpy(frame + 6, station->info.mac, 6);
    frame[12] = ETHERTYPE_HI;
    frame[13] = ETHERTYPE_LO;
    memcpy(frame + HEADER_BYTES, &number, NUMBER_BYTES);
    for (uint32_t i = HEADER_BYTES + NUMBER_BYTES; i < bytes; i++) {
        frame[i] = pattern(number, i);
    }
    for (unsigned i = 0; i < num_segs; i++) {
        /* Uneven pieces; the first one may end inside the Ethernet header. */
        uint32_t piece = i + 1 < num_segs ? 5 + 11 * i : bytes - used;

        segs[i].iova = iova + used;
        segs[i].bytes = piece;
        used += piece;
    }
    return vfring_vf_tx_post(station->vf, segs, num_segs, tx_seq);
}

bool frame_is_intact(const uint8_t *data, uint32_t bytes, uint32_t *number)
{
    if (bytes < 60 || data[12] != ETHERTYPE_HI || data[13] != ETHERTYPE_LO) {
        return false;
    }
    memcpy(number, data + HEADER_BYTES, NUMBER_BYTES);
    for (uint32_t i = HEADER_BYTES + NUMBER_BYTES; i < bytes; i++) {
        if (data[i] != pattern(*number, i)) {
            return false;
        }
    }
    return true;
}

void station_print_counters(const struct station *station, const char *when)
{
    struct vfring_vf_counters now;

    vfring_vf_counters(station->vf, &now);
    printf("%s %s: rx %llu frames %llu bytes, tx %llu frames %llu bytes\n", station->info.name, when,
           (unsigned long long) now.rx_frames, (unsigned long long) now.rx_bytes,
           (unsigned long long) now.tx_frames, (unsigned long long) now.tx_bytes);
}
