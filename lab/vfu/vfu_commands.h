/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What each request must look like before anybody looks into it.
 */
#ifndef VFU_COMMANDS_H
#define VFU_COMMANDS_H

#include "vfu_protocol.h"

struct vfu_command {
    const char *name;      /**< NULL: no client sends it */
    uint32_t min_bytes;    /**< of the payload */
    uint32_t max_bytes;
    uint32_t max_fds;
    uint32_t argsz_bytes;  /**< what argsz, the first word, must say at least; 0: it has none */
};

/**
 * Checks a request with @p num_fds descriptors whose @p payload is all there. 0, or the errno for its reply: EINVAL sizes,
 * descriptors or argsz; ENOTSUP a command that this server does not have.
 */
int vfu_command_check(const struct vfu_header *header, const void *payload, uint32_t num_fds);

/** For what is said of it. */
const char *vfu_command_name(uint16_t number);

#endif /* VFU_COMMANDS_H */
