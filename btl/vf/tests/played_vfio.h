/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The kernel's VFIO with its driver vfio-pci, played in this process: groups /dev/vfio/40 and on of one function
 * each, containers, and functions that answer as <linux/vfio.h> says, as far as a program without hardware can see.
 * Programs of it are linked with the wraps that tests/Makefile.am gives (PLAYED_VFIO_LINK); everything else goes to the
 * system.
 */
#ifndef VFRING_PLAYED_VFIO_H
#define VFRING_PLAYED_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYED_FUNCTIONS 3u
#define PLAYED_BAR_BYTES 0x4000u

/** One function, alone in its group; what is to be different is set before it is opened. */
struct played_function {
    bool present;
    uint16_t vendor, device, subsystem_vendor;
    unsigned neighbours;    /**< other functions in its group, which their own driver has */
    bool isolated;          /**< its interrupts */
    uint64_t sparse_offset, sparse_bytes; /**< of BAR 0 what can be mapped; 0 bytes: it is not said, so all of it */
    bool mappable;
    unsigned msix, msi;     /**< vectors */
    bool requests;          /**< it can be asked for back */
    int open_errno;         /**< open() of its group fails with it */
    unsigned looks;         /**< so often it is open already, for a moment, when it is to be opened */
    int get_errno;          /**< VFIO_GROUP_GET_DEVICE_FD fails with it */

    /* What was done with it. */
    bool group_open;        /**< by somebody, the function's descriptor included */
    int fd;                 /**< -1: not open */
    int container_fd;       /**< that it is in; -1: none */
    uint16_t command;
    int interrupt_fd, request_fd, error_fd; /**< -1: not set */
    unsigned vectors_set;
};

void played_reset(unsigned count);
struct played_function *played(unsigned index);

/** Path of the group of @p index, and the address of its function. */
const char *played_group(unsigned index);
const char *played_name(unsigned index);

/** VFIO_IOMMU_MAP_DMA fails with it from now on; 0: it does not. */
void played_map_errno(int err);
/** The kernel says nothing of IOVAs from now on, as before Linux 5.4. */
void played_silent(void);
/** The last IOVA that there is. */
void played_last_iova(uint64_t iova);

/** Containers and groups that are open. */
unsigned played_open_files(void);
/** Regions of all containers. */
unsigned played_regions(void);
/** Does function @p index reach @p bytes at @p iova, and are they those at @p vaddr? */
bool played_reaches(unsigned index, uint64_t iova, const void *vaddr, size_t bytes);

#endif /* VFRING_PLAYED_VFIO_H */
