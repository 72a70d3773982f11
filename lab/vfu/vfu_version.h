/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * VERSION: what client and server tell of themselves first, partly as JSON.
 */
#ifndef VFU_VERSION_H
#define VFU_VERSION_H

#include <stddef.h>
#include <stdint.h>

struct vfu_client {
    uint32_t max_data_bytes; /**< of a message, both directions */
};

/**
 * Reads VERSION's payload of @p bytes. 0, or the errno for the reply: EINVAL no JSON object that ends with a zero, or a
 * capability that is known and of the wrong kind or size; ENOTSUP another major version.
 * Capabilities that are not known are ignored.
 */
int vfu_version_parse(const void *payload, uint32_t bytes, struct vfu_client *client);

/**
 * Writes the answer's payload of at most @p room bytes, which is no longer than a client's own of the usual
 * capabilities. Its length, or 0: no room.
 */
uint32_t vfu_version_answer(void *payload, size_t room);

#endif /* VFU_VERSION_H */
