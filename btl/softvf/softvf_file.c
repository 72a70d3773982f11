/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The file behind a soft VF: making, checking, mapping and retiring it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "softvf_admin.h"
#include "softvf_internal.h"

const char *const softvf_counter_names[SOFTVF_NUM_COUNTERS] = {
    [SOFTVF_RX_NO_DESCRIPTOR] = "rx_no_descriptor",
    [SOFTVF_RX_DISABLED] = "rx_disabled",
    [SOFTVF_RX_OVERSIZE] = "rx_oversize",
    [SOFTVF_RX_FILTERED] = "rx_filtered",
    [SOFTVF_RX_DMA_FAULT] = "rx_dma_fault",
    [SOFTVF_RX_LOCK_TIMEOUT] = "rx_lock_timeout",
    [SOFTVF_RX_REPAIRED] = "rx_repaired",
    [SOFTVF_TX_NO_RECEIVER] = "tx_no_receiver",
    [SOFTVF_TX_SPOOFED] = "tx_spoofed",
    [SOFTVF_TX_OVERSIZE] = "tx_oversize",
    [SOFTVF_TX_DMA_FAULT] = "tx_dma_fault",
    [SOFTVF_TX_LINK_DOWN] = "tx_link_down",
    [SOFTVF_TX_FAULT_INJECTED] = "tx_fault_injected",
};

uint64_t softvf_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t softvf_mac_key(const uint8_t mac[6])
{
    uint64_t key = 0;

    memcpy(&key, mac, 6);
    return key;
}

int softvf_file_check(int fd, struct softvf_header *copy)
{
    struct stat st;
    ssize_t got = pread(fd, copy, sizeof(*copy), 0);

    if (got < 0 || fstat(fd, &st) != 0) {
        return -errno;
    }
    if (got != (ssize_t)sizeof(*copy) || !S_ISREG(st.st_mode) ||
        memcmp(copy->magic, SOFTVF_MAGIC, sizeof(copy->magic)) != 0 ||
        copy->version != SOFTVF_VERSION || copy->abi != SOFTVF_ABI ||
        copy->file_bytes != SOFTVF_FILE_BYTES || st.st_size != (off_t)SOFTVF_FILE_BYTES ||
        copy->mtu_bytes < SOFTVF_MIN_MTU_BYTES || copy->mtu_bytes > SOFTVF_MAX_MTU_BYTES ||
        copy->index > SOFTVF_MAX_INDEX || copy->rate_mbits > SOFTVF_MAX_RATE_MBITS || (copy->mac[0] & 1) != 0 ||
        softvf_model_name(copy->model) == NULL || !softvf_segment_valid(copy->segment)) {
        return -EPROTO;
    }
    return 0;
}

int softvf_file_map(int fd, struct softvf_file **out)
{
    void *map = mmap(NULL, SOFTVF_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED) {
        return -errno;
    }
    *out = map;
    return 0;
}

void softvf_file_unmap(struct softvf_file *file)
{
    if (file != NULL) {
        munmap(file, SOFTVF_FILE_BYTES);
    }
}

int softvf_file_mark_dead(int fd)
{
    /* By pwrite, not through a mapping: whoever owns the file may have
     * truncated it, and must not be able to kill the administrator's tool. */
    uint32_t one = 1;
    ssize_t put = pwrite(fd, &one, sizeof(one), offsetof(struct softvf_header, dead));

    return put == (ssize_t)sizeof(one) ? 0 : put < 0 ? -errno : -EIO;
}

/** The lock must be initialised in place: glibc does not promise that a copy works. */
static int init_lock(struct softvf_file *file)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    if (rc != 0) {
        return -rc;
    }
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    rc = pthread_mutex_init(&file->rx.lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return -rc;
}

static int fill_new(int fd, const struct softvf_admin_spec *spec,
                    const char segment[SOFTVF_SEGMENT_BYTES])
{
    struct softvf_file *file = NULL;
    const uint32_t model = softvf_model_number(spec->model == NULL ? SOFTVF_DEFAULT_MODEL : spec->model);
    int rc = 0;

    if (model == SOFTVF_NUM_MODELS) {
        return -EINVAL;
    }
    if (ftruncate(fd, SOFTVF_FILE_BYTES) != 0) {
        return -errno;
    }
    /* Everything but the arena gets its blocks now: a full disk must show here,
     * not as SIGBUS in some sender. The arena gets its own as it is handed out. */
    rc = posix_fallocate(fd, 0, SOFTVF_ARENA_OFFSET);
    if (rc != 0) {
        return -rc;
    }
    rc = softvf_file_map(fd, &file);
    if (rc != 0) {
        return rc;
    }
    struct softvf_header *hdr = &file->hdr;
    hdr->version = SOFTVF_VERSION;
    hdr->abi = SOFTVF_ABI;
    hdr->file_bytes = SOFTVF_FILE_BYTES;
    hdr->index = spec->index;
    hdr->mtu_bytes = spec->mtu_bytes;
    hdr->rate_mbits = spec->rate_mbits;
    hdr->model = model;
    memcpy(hdr->mac, spec->mac, sizeof(hdr->mac));
    memcpy(hdr->segment, segment, sizeof(hdr->segment));
    rc = init_lock(file);
    memcpy(hdr->magic, SOFTVF_MAGIC, sizeof(hdr->magic));
    softvf_file_unmap(file);
    return rc;
}

/** The VF's statistics go on from owner to owner, as the hardware's do. */
static int carry_statistics(int from, int to)
{
    static const struct { size_t begin, end; } ranges[] = {
        {offsetof(struct softvf_file, hdr.violations), offsetof(struct softvf_file, hdr.pf_cts)},
        {offsetof(struct softvf_file, hdr.tx_frames),
         offsetof(struct softvf_file, hdr.counters) + sizeof(((struct softvf_header *)0)->counters)},
        {offsetof(struct softvf_file, rx.frames), offsetof(struct softvf_file, rx.no_descriptor)},
    };
    uint8_t copy[sizeof(struct softvf_header)];

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        size_t bytes = ranges[i].end - ranges[i].begin;
        if (pread(from, copy, bytes, (off_t)ranges[i].begin) != (ssize_t)bytes) {
            return 0; /* its owner truncated it: nothing to carry, nothing to stop for */
        }
        ssize_t put = pwrite(to, copy, bytes, (off_t)ranges[i].begin);
        if (put != (ssize_t)bytes) {
            return put < 0 ? -errno : -EIO;
        }
    }
    return 0;
}

/**
 * Retires the soft VF that has the name now, and hands its statistics on to
 * @p successor. Nothing there, or no soft VF: fine.
 */
static int retire_old(int dir_fd, const char *name, int successor)
{
    struct softvf_header hdr;
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    int rc = softvf_file_check(fd, &hdr);
    if (rc == 0) {
        rc = softvf_file_mark_dead(fd);
        if (rc == 0) {
            rc = carry_statistics(fd, successor);
        }
    } else if (rc == -EPROTO) {
        rc = 0;
    }
    close(fd);
    return rc;
}

/** 0, or -EADDRINUSE if another VF of the folder has the MAC address. */
static int check_mac(int dir_fd, const struct softvf_admin_spec *spec)
{
    struct softvf_header hdr;
    struct dirent *entry;
    int rc = 0;
    int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);

    if (list == NULL) {
        rc = -errno;
        if (list_fd >= 0) {
            close(list_fd);
        }
        return rc;
    }
    while (rc == 0 && (entry = readdir(list)) != NULL) {
        if (strncmp(entry->d_name, "vf", 2) != 0) {
            continue;
        }
        int fd = openat(dir_fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) {
            continue;
        }
        if (softvf_file_check(fd, &hdr) == 0 && hdr.index != spec->index &&
            SOFTVF_GET(&hdr.dead) == 0 && memcmp(hdr.mac, spec->mac, sizeof(hdr.mac)) == 0) {
            rc = -EADDRINUSE;
        }
        close(fd);
    }
    closedir(list);
    return rc;
}

int softvf_admin_create(const char *dir, const struct softvf_admin_spec *spec)
{
    char segment[SOFTVF_SEGMENT_BYTES];
    char name[32];
    char temp[64];
    if (spec->rate_mbits > SOFTVF_MAX_RATE_MBITS) {
        return -EINVAL;
    }

    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0) {
        return -errno;
    }
    int refused = spec->mac_is_unique ? 0 : check_mac(dir_fd, spec);
    if (refused == 0) {
        refused = softvf_segment_get(dir_fd, segment);
    }
    if (refused != 0) {
        close(dir_fd);
        return refused;
    }
    snprintf(name, sizeof(name), "vf%u", spec->index);
    snprintf(temp, sizeof(temp), ".vf%u.%ld", spec->index, (long)getpid());
    unlinkat(dir_fd, temp, 0); /* of a crashed process with our pid */
    int fd = openat(dir_fd, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? -errno : 0;
    if (rc == 0 && fchmod(fd, 0600) != 0) { /* whatever the umask */
        rc = -errno;
    }
    if (rc == 0) {
        rc = fill_new(fd, spec, segment);
    }
    /* Retire first, rename second: killed in between, no VF is left, never two. */
    if (rc == 0) {
        rc = retire_old(dir_fd, name, fd);
    }
    if (rc == 0 && renameat(dir_fd, temp, dir_fd, name) != 0) {
        rc = -errno;
    }
    if (fd >= 0) {
        if (rc != 0) {
            unlinkat(dir_fd, temp, 0);
        }
        close(fd);
    }
    close(dir_fd);
    return rc;
}

int softvf_admin_destroy(const char *path)
{
    struct softvf_header hdr;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        return -errno;
    }
    int rc = softvf_file_check(fd, &hdr);
    if (rc == 0) {
        rc = softvf_file_mark_dead(fd);
    }
    close(fd);
    if (rc == 0 && unlink(path) != 0) {
        rc = -errno;
    }
    return rc;
}
