/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_config.h"

#include <linux/pci_regs.h>
#include <string.h>

/** Where the datasheets have the capabilities. */
#define AT_MSIX 0x70u
#define AT_EXPRESS 0xa0u
#define CLASS_ETHERNET 0x0200u
#define REVISION 1u
#define BAR_BITS (PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH)
#define LINK (PCI_EXP_LNKSTA_CLS_2_5GB | 4u << 4) /* four lanes: nobody asks a VF */

static void set(uint8_t *at, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put(struct vfu_config *config, uint32_t offset, uint32_t value, uint32_t writable, uint32_t bytes)
{
    set(config->bytes + offset, value, bytes);
    set(config->writable + offset, writable, bytes);
}

static uint32_t get(const struct vfu_config *config, uint32_t offset, uint32_t bytes)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        value |= (uint32_t)config->bytes[offset + i] << (8 * i);
    }
    return value;
}

/** Of 64 bits; its size is what of the address cannot be written. */
static void put_bar(struct vfu_config *config, uint32_t bar, uint32_t bytes)
{
    put(config, PCI_BASE_ADDRESS_0 + 4 * bar, BAR_BITS, ~(bytes - 1), 4);
    put(config, PCI_BASE_ADDRESS_0 + 4 * bar + 4, 0, 0xffffffffu, 4);
}

void vfu_config_init(struct vfu_config *config, uint16_t vendor_id, uint16_t device_id, uint32_t bar0_bytes,
                     uint32_t num_vectors)
{
    memset(config, 0, sizeof(*config));
    put(config, PCI_VENDOR_ID, vendor_id, 0, 2);
    put(config, PCI_DEVICE_ID, device_id, 0, 2);
    put(config, PCI_COMMAND, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 2);
    put(config, PCI_STATUS, PCI_STATUS_CAP_LIST, 0, 2);
    put(config, PCI_REVISION_ID, REVISION, 0, 1);
    put(config, PCI_CLASS_DEVICE, CLASS_ETHERNET, 0, 2);
    put(config, PCI_CACHE_LINE_SIZE, 0, 0xff, 1);
    put_bar(config, VFU_BAR_REGISTERS, bar0_bytes);
    put_bar(config, VFU_BAR_MSIX, VFU_MSIX_BAR_BYTES);
    put(config, PCI_SUBSYSTEM_VENDOR_ID, vendor_id, 0, 2);
    put(config, PCI_SUBSYSTEM_ID, device_id, 0, 2);
    put(config, PCI_CAPABILITY_LIST, AT_MSIX, 0, 1);
    put(config, PCI_INTERRUPT_LINE, 0, 0xff, 1);

    put(config, AT_MSIX, PCI_CAP_ID_MSIX, 0, 1);
    put(config, AT_MSIX + PCI_CAP_LIST_NEXT, AT_EXPRESS, 0, 1);
    put(config, AT_MSIX + PCI_MSIX_FLAGS, num_vectors - 1, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
    put(config, AT_MSIX + PCI_MSIX_TABLE, VFU_BAR_MSIX, 0, 4);
    put(config, AT_MSIX + PCI_MSIX_PBA, VFU_MSIX_PBA_OFFSET | VFU_BAR_MSIX, 0, 4);

    put(config, AT_EXPRESS, PCI_CAP_ID_EXP, 0, 1);
    put(config, AT_EXPRESS + PCI_EXP_FLAGS, 2u | PCI_EXP_TYPE_ENDPOINT << 4, 0, 2);
    put(config, AT_EXPRESS + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR, 0, 4);
    put(config, AT_EXPRESS + PCI_EXP_DEVCTL, 0, PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
            PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_NOSNOOP_EN |
            PCI_EXP_DEVCTL_READRQ, 2);
    put(config, AT_EXPRESS + PCI_EXP_LNKCAP, LINK, 0, 4);
    put(config, AT_EXPRESS + PCI_EXP_LNKSTA, LINK, 0, 2);
}

void vfu_config_read(const struct vfu_config *config, uint32_t offset, uint32_t count, void *data)
{
    memcpy(data, config->bytes + offset, count);
}

bool vfu_config_write(struct vfu_config *config, uint32_t offset, uint32_t count, const void *data)
{
    const uint32_t flr_byte = AT_EXPRESS + PCI_EXP_DEVCTL + 1;
    const uint8_t *from = data;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t mask = config->writable[offset + i];
        config->bytes[offset + i] = (uint8_t)((config->bytes[offset + i] & ~mask) | (from[i] & mask));
    }
    return flr_byte >= offset && flr_byte - offset < count &&
           (from[flr_byte - offset] & PCI_EXP_DEVCTL_BCR_FLR >> 8) != 0;
}

bool vfu_config_has_memory(const struct vfu_config *config)
{
    return (get(config, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) != 0;
}

bool vfu_config_is_master(const struct vfu_config *config)
{
    return (get(config, PCI_COMMAND, 2) & PCI_COMMAND_MASTER) != 0;
}
