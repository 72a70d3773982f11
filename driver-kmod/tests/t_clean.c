// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an owner leaves in a VF is not there for the next one, whatever of it
 * the function's own reset keeps. Of both families, by the function's id; the
 * 82576's head write-back is seen at work in t_device_dma.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../btl/regs/vfring_regs_82576.h"
#include "../../btl/regs/vfring_regs_82599.h"
#include "tap.h"
#include "vf.h"

#define MAILBOX_WORDS	16
#define MAILBOX_VFU	(1u << 2)
#define LEFT		0x12345000u

struct family {
	const char *name;
	size_t bar0_bytes;
	int queues;
	uint32_t mailbox, words;
	/* Of queue 0, and how far it is to the next one's */
	uint32_t rx, tx, stride;
	uint32_t head_writeback;
};

static const struct family families[] = {
	{
		.name = "82576", .bar0_bytes = VFRING_82576_BAR0_BYTES, .queues = 2,
		.mailbox = VFRING_82576_V2PMAILBOX, .words = VFRING_82576_VMBMEM(0),
		.rx = VFRING_82576_RDBAL(0), .tx = VFRING_82576_TDBAL(0),
		.stride = VFRING_82576_RDBAL(1) - VFRING_82576_RDBAL(0),
		.head_writeback = VFRING_82576_TDWBAL(0) - VFRING_82576_TDBAL(0),
	}, {
		.name = "82599", .bar0_bytes = 0x4000, .queues = 2,
		.mailbox = VFRING_82599_MAILBOX, .words = VFRING_82599_MBMEM(0),
		.rx = VFRING_82599_RDBAL(0), .tx = VFRING_82599_TDBAL(0),
		.stride = VFRING_82599_RDBAL(1) - VFRING_82599_RDBAL(0),
		.head_writeback = VFRING_82599_TDWBAL(0) - VFRING_82599_TDBAL(0),
	},
};

static const struct family *family;
static volatile uint8_t *regs;
static int fd;

static volatile uint32_t *at(uint32_t offset)
{
	return (volatile uint32_t *)(regs + offset);
}

static const struct family *family_here(void)
{
	char path[128], id[16];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", vf_bdf());
	read_file(path, id, sizeof(id));
	switch (strtoul(id, NULL, 16)) {
	case 0x10ca:
	case 0x1520:
		return &families[0];
	default:
		return &families[1];
	}
}

static void begin(const char *who)
{
	as_user();
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, who);
	regs = vf_bar(fd, 0, family->bar0_bytes);
	NEED(regs != MAP_FAILED, "and maps its registers");
}

static void end(void)
{
	munmap((void *)regs, family->bar0_bytes);
	close(fd);
	as_root();
}

/* Base, high half, length, and of a TX queue the head write-back's two halves. */
static uint32_t queue_bits(int q)
{
	uint32_t rx = family->rx + q * family->stride;
	uint32_t tx = family->tx + q * family->stride;
	uint32_t wb = tx + family->head_writeback;

	return *at(rx) | *at(rx + 4) | *at(rx + 8) | *at(tx) | *at(tx + 4) | *at(tx + 8) |
	       *at(wb) | *at(wb + 4);
}

/* The first word is the PF's, who may say something at any time. */
static uint32_t mailbox_bits(void)
{
	uint32_t bits = 0;

	for (int i = 1; i < MAILBOX_WORDS; i++)
		bits |= *at(family->words + 4 * i);
	return bits;
}

static void leave_things_behind(void)
{
	for (int q = 0; q < family->queues; q++) {
		uint32_t tx = family->tx + q * family->stride;

		*at(family->rx + q * family->stride) = LEFT;
		*at(tx) = LEFT;
		/* Not enabled (bit 0): nothing is written there. */
		*at(tx + family->head_writeback) = LEFT;
		*at(tx + family->head_writeback + 4) = 1;
		EQUAL(*at(tx + family->head_writeback), LEFT, "it leaves the address of a head write-back");
	}
	*at(family->mailbox) = MAILBOX_VFU;
	NEED(*at(family->mailbox) & MAILBOX_VFU, "it has the mailbox");
	*at(family->words + 4 * 7) = LEFT;
	EQUAL(*at(family->words + 4 * 7), LEFT, "and leaves a message there");
}

int main(void)
{
	family = family_here();
	printf("# a VF as the %s's\n", family->name);
	begin("an owner opens the VF");
	leave_things_behind();
	end();

	begin("the next one opens it");
	for (int q = 0; q < family->queues; q++)
		EQUAL(queue_bits(q), 0, "nothing is left in a queue");
	EQUAL(mailbox_bits(), 0, "nor in the mailbox");
	end();
	return tap_end();
}
