/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The table of backends. A path decides which of them opens it.
 */
#include "backends.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dma.h"
#include "error.h"

extern const struct vfring_backend vfring_backend_uio;
extern const struct vfring_backend vfring_backend_vfio;
extern const struct vfring_backend vfring_backend_soft;

static const struct vfring_backend *const backends[] = {
    &vfring_backend_uio,
    &vfring_backend_vfio,
    &vfring_backend_soft,
};

#define NUM_BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* Sets the remedy "give ... or ...": what there is to be opened. */
static int offer(struct vfring_vf_error *error)
{
    char list[sizeof(error->remedy)] = "give ";

    for (size_t i = 0; i < NUM_BACKENDS; i++) {
        const size_t used = strlen(list);

        snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? " or " : "", backends[i]->offer);
    }
    return vfring_vf_error_remedy(error, "%s", list);
}

static int explain_missing(const char *path, struct vfring_vf_error *error)
{
    for (size_t i = 0; i < NUM_BACKENDS; i++) {
        if (backends[i]->explain_missing != NULL && backends[i]->explain_missing(path, error)) {
            return error->err;
        }
    }
    vfring_vf_error_set(error, -ENOENT, "%s does not exist", path);
    return offer(error);
}

static int find_backend(struct vfring_device *device, struct vfring_vf_error *error)
{
    struct vfring_node node;
    int ret = vfring_node_look(device->path, &node);

    if (ret == -ENOENT) {
        return explain_missing(device->path, error);
    }
    if (ret != 0) {
        return vfring_node_explain(device->path, ret, error);
    }
    for (size_t i = 0; i < NUM_BACKENDS; i++) {
        if (backends[i]->serves(&node)) {
            device->backend = backends[i];
            return 0;
        }
    }
    if (node.kind == VFRING_NODE_OTHER) {
        vfring_vf_error_set(error, -ENODEV, "%s is neither a character device nor a file", device->path);
    } else if (node.class[0] == '\0') {
        vfring_vf_error_set(error, -ENODEV, "%s is a character device that no driver serves now",
                            device->path);
    } else {
        vfring_vf_error_set(error, -ENODEV, "%s is a character device of class %s, which is not a VF's",
                            device->path, node.class);
    }
    return offer(error);
}

int vfring_device_open(struct vfring_device *device, const char *path,
                       const struct vfring_device_params *params, struct vfring_vf_error *error)
{
    int ret;

    memset(device, 0, sizeof(*device));
    if (path == NULL || path[0] == '\0') {
        vfring_vf_error_set(error, -EINVAL, "no VF is named");
        return offer(error);
    }
    if (strlen(path) >= sizeof(device->path)) {
        vfring_vf_error_set(error, -ENAMETOOLONG, "the path %.100s... is longer than %zu bytes", path,
                            sizeof(device->path) - 1);
        return vfring_vf_error_remedy(error, "use a shorter path");
    }
    snprintf(device->path, sizeof(device->path), "%s", path);
    snprintf(device->name, sizeof(device->name), "%.63s", path);
    device->numa_node = -1;
    if (params->opened != NULL) {
        device->backend = &vfring_backend_vfio;
        return device->backend->open(device, params, error);
    }
    ret = find_backend(device, error);
    return ret != 0 ? ret : device->backend->open(device, params, error);
}

void vfring_device_close(struct vfring_device *device)
{
    vfring_dma_release_all(device);
    device->backend->close(device);
}
