/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_commands.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define EXACT(type) sizeof(type), sizeof(type)
#define WITH_DATA(type) sizeof(type), sizeof(type) + VFU_MAX_DATA_BYTES
/** What argsz counts of a reply is no business of who sends none. */
#define ARGSZ(type) sizeof(type)

static const struct vfu_command commands[VFU_NUM_COMMANDS] = {
    [VFU_VERSION] = {"VERSION", sizeof(struct vfu_version), sizeof(struct vfu_version) + 4096, 0, 0},
    [VFU_DMA_MAP] = {"DMA_MAP", EXACT(struct vfu_dma_map), 1, ARGSZ(struct vfu_dma_map)},
    [VFU_DMA_UNMAP] = {"DMA_UNMAP", EXACT(struct vfu_dma_unmap), 0, ARGSZ(struct vfu_dma_unmap)},
    [VFU_GET_INFO] = {"DEVICE_GET_INFO", EXACT(struct vfu_device_info), 0, ARGSZ(struct vfu_device_info)},
    [VFU_GET_REGION_INFO] = {"DEVICE_GET_REGION_INFO", EXACT(struct vfu_region_info), 0, ARGSZ(struct vfu_region_info)},
    [VFU_GET_IRQ_INFO] = {"DEVICE_GET_IRQ_INFO", EXACT(struct vfu_irq_info), 0, ARGSZ(struct vfu_irq_info)},
    [VFU_SET_IRQS] = {"DEVICE_SET_IRQS", sizeof(struct vfu_irq_set), sizeof(struct vfu_irq_set) + 64, VFU_MAX_FDS,
                      ARGSZ(struct vfu_irq_set)},
    [VFU_REGION_READ] = {"REGION_READ", EXACT(struct vfu_region_access), 0, 0},
    [VFU_REGION_WRITE] = {"REGION_WRITE", WITH_DATA(struct vfu_region_access), 0, 0},
    [VFU_RESET] = {"DEVICE_RESET", 0, 0, 0, 0},
};

const char *vfu_command_name(uint16_t number)
{
    return number < VFU_NUM_COMMANDS && commands[number].name != NULL ? commands[number].name : "a command";
}

int vfu_command_check(const struct vfu_header *header, const void *payload, uint32_t num_fds)
{
    uint32_t bytes = header->bytes - (uint32_t)sizeof(*header);
    uint32_t argsz;

    if (header->command >= VFU_NUM_COMMANDS || commands[header->command].name == NULL) {
        return ENOTSUP;
    }
    const struct vfu_command *command = &commands[header->command];
    if (bytes < command->min_bytes || bytes > command->max_bytes || num_fds > command->max_fds) {
        return EINVAL;
    }
    if (command->argsz_bytes != 0) {
        memcpy(&argsz, payload, sizeof(argsz));
        if (argsz < command->argsz_bytes) {
            return EINVAL;
        }
    }
    return 0;
}
