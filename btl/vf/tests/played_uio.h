/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The kernel module uio_vf, played in this process: nodes /dev/uiovf0 and on
 * that open, map and answer as driver-kmod/uapi/uio_vf.h promises, as far as a
 * program without hardware can see. Programs of it are linked with the wraps that
 * tests/Makefile.am gives (PLAYED_UIO_LINK); everything but those nodes
 * goes to the system.
 */
#ifndef VFRING_PLAYED_UIO_H
#define VFRING_PLAYED_UIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uio_vf.h"

#define PLAYED_DEVICES 4u
#define PLAYED_BAR_BYTES 0x4000u

/** One function; what is to be different is set before it is opened. */
struct played_device {
    bool present;
    uint16_t vendor, device;
    uint64_t caps;
    uint32_t num_areas;
    uint64_t area_offset, area_length, bar_length;
    uint64_t dma_limit_bytes;
    unsigned iommu;         /**< devices of different ones cannot be joined */
    int open_errno;         /**< open() fails with it */
    bool barred;            /**< the devices cgroup keeps it from the process */
    int map_errno;          /**< UIO_VF_IOCTL_DMA_MAP fails with it */
    int join_errno;         /**< UIO_VF_IOCTL_JOIN fails with it */
    unsigned abi_major;
    struct uio_vf_status status; /**< of an opened device, as its status page shows it: played_status() */

    /* What was done with it. */
    unsigned opens;
    int fd; /**< -1: not open */
    unsigned space;         /**< number of its address space, from 1 */
    unsigned maps, unmaps;
    uint32_t events_read;   /**< by read(): poll() waits for another count */
    unsigned polls;         /**< that found none */
};

/** All devices as a VF of an 82576 behind one IOMMU, @p count of them there. */
void played_reset(unsigned count);
struct played_device *played(unsigned index);

/** Path of the node of @p index. */
const char *played_path(unsigned index);

/** What the process's status page of an open device says from now on. */
void played_status(unsigned index, uint32_t state, uint64_t resets, uint32_t cause);

/** An interrupt: the event count is @p count now. */
void played_event(unsigned index, uint64_t count);

/** As munmap() of it: regions there die, and the count of their devices moves. */
void played_take_away(const void *vaddr, size_t bytes);

/** Regions that are there now: of one device's address space, and altogether. */
unsigned played_regions(unsigned index);
unsigned played_all_regions(void);

/** Does device @p index reach @p bytes at @p iova, and are they those at @p vaddr? */
bool played_reaches(unsigned index, uint64_t iova, const void *vaddr, size_t bytes);

#endif /* VFRING_PLAYED_UIO_H */
