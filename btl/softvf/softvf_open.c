/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Taking a soft VF, and giving it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "softvf_internal.h"

/** `vfring-softvf show` holds the lock for an instant: try for 20 ms. */
#define LOCK_TRIES 20
#define LOCK_PAUSE_NS 1000000

static int take_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return 0;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return -errno;
        }
        nanosleep(&pause, NULL);
    }
    return -EBUSY;
}

/** Whether the path still leads to the file behind @p fd. */
static int check_current(const char *path, int fd)
{
    struct stat now, opened;

    if (fstat(fd, &opened) != 0) {
        return -errno;
    }
    if (stat(path, &now) != 0) {
        return errno == ENOENT ? -ESTALE : -errno;
    }
    return now.st_dev == opened.st_dev && now.st_ino == opened.st_ino ? 0 : -ESTALE;
}

/** Nothing of the last owner stays: its regions, its memory's contents. */
static int clear_memory(struct softvf *dev)
{
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&dev->file->rx.num_regions, 0);
    SOFTVF_SET(&dev->file->rx.is_hosted, 0); /* the wire lies in that memory */
    softvf_rx_unlock(dev->file);
    return fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SOFTVF_ARENA_OFFSET,
                     SOFTVF_ARENA_BYTES) == 0 ? 0 : -errno;
}

static int set_up(struct softvf *dev, const char *path)
{
    struct softvf_header copy;
    int rc = softvf_file_check(dev->fd, &copy);

    if (rc == 0) {
        rc = take_lock(dev->fd);
    }
    if (rc == 0) {
        rc = check_current(path, dev->fd);
    }
    if (rc == 0) {
        rc = softvf_file_map(dev->fd, &dev->file);
    }
    if (rc == 0 && softvf_is_dead(dev->file)) {
        rc = -ESTALE;
    }
    if (rc == 0) {
        rc = softvf_populate(dev->file, SOFTVF_ARENA_OFFSET);
    }
    if (rc == 0) {
        rc = softvf_iommu_init(dev);
    }
    if (rc == 0) {
        rc = softvf_faults_init(&dev->faults);
    }
    if (rc == 0) {
        rc = softvf_switch_open(&dev->sw, path, dev->fd);
    }
    if (rc != 0) {
        return rc;
    }
    dev->mac = softvf_mac_key(copy.mac);
    dev->model = softvf_model_at(copy.model);
    dev->pf.api_max = dev->model->pf_api;
    softvf_mmio_init(dev);
    if (SOFTVF_GET(&dev->file->rx.port_limit_bytes) == 0) {
        SOFTVF_SET(&dev->file->rx.port_limit_bytes, dev->model->port_limit(copy.mtu_bytes));
    }
    dev->max_frame_bytes = copy.mtu_bytes + SOFTVF_ETH_EXTRA_BYTES;
    if (SOFTVF_GET(&dev->file->hdr.link_down_until_ns) == SOFTVF_LINK_DOWN_FOR_NOW) {
        SOFTVF_SET(&dev->file->hdr.link_down_until_ns, 0); /* the owner that had it so is gone */
    }
    dev->pf.link_down = softvf_link_is_down(dev->file);
    softvf_reset(dev);
    rc = clear_memory(dev);
    if (rc != 0) {
        return rc; /* -EOPNOTSUPP: a file system without holes */
    }
    SOFTVF_ADD(&dev->file->hdr.generation, 1);
    SOFTVF_SET(&dev->file->hdr.owner_pid, (uint32_t)getpid());
    dev->rate_mbits = copy.rate_mbits;
    return softvf_set_rate(dev, copy.rate_mbits, NULL);
}

static void release(struct softvf *dev)
{
    softvf_switch_close(&dev->sw);
    softvf_faults_fini(&dev->faults);
    softvf_iommu_fini(dev);
    softvf_file_unmap(dev->file);
    free(dev->hosted);
    close(dev->fd); /* and with it the flock */
    free(dev);
}

int softvf_open(const char *path, struct softvf **out)
{
    struct softvf *dev = calloc(1, sizeof(*dev));

    *out = NULL;
    if (dev == NULL) {
        return -ENOMEM;
    }
    dev->sw.dir_fd = -1;
    dev->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (dev->fd < 0) {
        int rc = -errno;
        free(dev);
        return rc;
    }
    int rc = set_up(dev, path);
    if (rc != 0) {
        release(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

void softvf_close(struct softvf *dev)
{
    if (dev == NULL) {
        return;
    }
    softvf_begin(dev);
    softvf_faults_flush(dev);
    softvf_reset(dev); /* what waits for the wire is lost */
    softvf_end(dev);
    (void)softvf_set_rate(dev, 0, NULL);
    (void)clear_memory(dev); /* the next owner's open clears or fails */
    SOFTVF_SET(&dev->file->hdr.owner_pid, 0);
    release(dev);
}

bool softvf_is_retired(const struct softvf *dev)
{
    return softvf_is_dead(dev->file);
}

void softvf_identity(const struct softvf *dev, struct softvf_identity *out)
{
    const struct softvf_header *hdr = &dev->file->hdr;

    memcpy(out->mac, hdr->mac, sizeof(out->mac));
    out->mtu_bytes = hdr->mtu_bytes;
    out->index = hdr->index;
    out->generation = SOFTVF_GET(&hdr->generation);
    out->vendor_id = dev->model->vendor_id;
    out->device_id = dev->model->device_id;
    out->bar0_bytes = dev->model->bar0_bytes;
    out->rate_mbits = dev->rate_mbits;
    memcpy(out->segment, hdr->segment, sizeof(out->segment));
    out->segment[sizeof(out->segment) - 1] = '\0'; /* others may write to the file */
    _Static_assert(sizeof(out->segment) == sizeof(hdr->segment), "they are one name");
}
