/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_version.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "vfu_protocol.h"

/** Of the client, if it says nothing. */
#define DEFAULT_DATA_BYTES (1u << 20)
/** A message must be able to carry a descriptor of a ring. */
#define LEAST_DATA_BYTES 64

static int read_capabilities(const json_t *root, struct vfu_client *client)
{
    const json_t *capabilities = json_object_get(root, "capabilities");
    const json_t *data = json_object_get(capabilities, "max_data_xfer_size");

    if (!json_is_object(root) || (capabilities != NULL && !json_is_object(capabilities))) {
        return EINVAL;
    }
    client->max_data_bytes = DEFAULT_DATA_BYTES;
    if (data != NULL) {
        json_int_t value = json_integer_value(data);
        if (!json_is_integer(data) || value < LEAST_DATA_BYTES) {
            return EINVAL;
        }
        client->max_data_bytes = value < DEFAULT_DATA_BYTES ? (uint32_t)value : DEFAULT_DATA_BYTES;
    }
    if (client->max_data_bytes > VFU_MAX_DATA_BYTES) {
        client->max_data_bytes = VFU_MAX_DATA_BYTES;
    }
    return 0;
}

int vfu_version_parse(const void *payload, uint32_t bytes, struct vfu_client *client)
{
    struct vfu_version version;
    const char *text = (const char *)payload + sizeof(version);
    json_error_t error;

    if (bytes < sizeof(version)) {
        return EINVAL;
    }
    memcpy(&version, payload, sizeof(version));
    if (version.major != VFU_MAJOR) {
        return ENOTSUP;
    }
    if (bytes == sizeof(version)) { /* no capabilities are the usual ones */
        client->max_data_bytes = VFU_MAX_DATA_BYTES;
        return 0;
    }
    if (text[bytes - sizeof(version) - 1] != '\0') {
        return EINVAL;
    }
    json_t *root = json_loads(text, 0, &error);
    int rc = root == NULL ? EINVAL : read_capabilities(root, client);
    json_decref(root);
    return rc;
}

uint32_t vfu_version_answer(void *payload, size_t room)
{
    const struct vfu_version version = {VFU_MAJOR, VFU_MINOR};

    if (room < sizeof(version)) {
        return 0;
    }
    memcpy(payload, &version, sizeof(version));
    /* pgsizes is the client's: it must have 4 KiB for an IOMMU in the guest. */
    int text = snprintf((char *)payload + sizeof(version), room - sizeof(version),
                        "{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u}}", VFU_MAX_FDS,
                        VFU_MAX_DATA_BYTES);
    return text < 0 || (size_t)text >= room - sizeof(version) ? 0 : (uint32_t)(sizeof(version) + (size_t)text + 1);
}
