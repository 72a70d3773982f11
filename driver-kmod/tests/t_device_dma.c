// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA as the device sees it: it reaches what is registered, in the direction
 * that was allowed, and nothing else. The device is made to write its head to
 * memory after a frame (head write-back); the memory is a canary.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

#define CANARY	0xdeadbeefu

static int fd;
static struct igbvf vf;
static uint64_t frame_iova;

/* Does a frame make the device write to @iova, seen here at @canary? */
static bool writes(uint64_t iova, volatile uint32_t *canary)
{
	*canary = CANARY;
	igbvf_tx_head_writeback(&vf, iova);
	if (!igbvf_tx_one(&vf, frame_iova))
		tap_result(false, "a frame is sent", "the head stands still");
	igbvf_tx_head_writeback(&vf, 0);
	return *canary != CANARY;
}

static void test_unmap(void)
{
	struct uio_vf_dma_map map = {};
	uint32_t *canary = memory(PAGE);

	ERROR(vf_map(fd, canary, PAGE, RW, &map), 0, "canary: map");
	OK(writes(map.iova, canary), "the device writes to a live region");
	ERROR(vf_unmap(fd, map.region_id, NULL), 0, "canary: unmap");
	OK(!writes(map.iova, canary), "but not after unmap");
	munmap(canary, PAGE);
}

static void test_direction(void)
{
	struct uio_vf_dma_map map = {};
	uint32_t *canary = memory(PAGE);

	ERROR(vf_map(fd, canary, PAGE, UIO_VF_DMA_READ, &map), 0,
	      "canary: map for reading");
	OK(!writes(map.iova, canary), "the device cannot write there");
	vf_unmap(fd, map.region_id, NULL);
	munmap(canary, PAGE);
}

/* The page outlives the mapping here, so that one can look at it. */
static void test_munmap(void)
{
	struct uio_vf_dma_map map = {};
	int memfd = memfd_create("t_device_dma", MFD_CLOEXEC);
	uint32_t *canary, *device;

	NEED(memfd >= 0 && !ftruncate(memfd, PAGE), "shared canary");
	canary = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	device = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ERROR(vf_map(fd, device, PAGE, RW, &map), 0, "shared canary: map");
	OK(writes(map.iova, canary), "the device writes to it");
	munmap(device, PAGE);
	OK(!writes(map.iova, canary), "but not after munmap()");
	vf_unmap(fd, map.region_id, NULL);
	munmap(canary, PAGE);
	close(memfd);
}

/* Neighbours on both sides of a region, and physical memory by its address. */
static void test_outside(void)
{
	struct uio_vf_dma_map map = {};
	uint32_t *mem = memory(3 * PAGE);
	uint32_t *canary = mem + PAGE / sizeof(*mem);

	ERROR(vf_map(fd, canary, PAGE, RW, &map), 0, "between two pages: map");
	OK(!writes(map.iova + PAGE, canary + PAGE / sizeof(*mem)),
	   "the page after the region is out of reach");
	OK(!writes(map.iova - PAGE, mem), "and the page before it");
	OK(writes(map.iova, canary), "the region itself is not");
	vf_unmap(fd, map.region_id, NULL);
	munmap(mem, 3 * PAGE);
}

/* The PF may say something at any time, in the first word of its mailbox. */
static uint32_t left_behind(void)
{
	uint32_t bits = 0;

	for (int q = 0; q < 2; q++) {
		bits |= reg_read(&vf, VFRING_82576_TDBAL(q)) |
			reg_read(&vf, VFRING_82576_TDBAH(q)) |
			reg_read(&vf, VFRING_82576_TDLEN(q)) |
			reg_read(&vf, VFRING_82576_TDWBAL(q)) |
			reg_read(&vf, VFRING_82576_TDWBAH(q)) |
			reg_read(&vf, VFRING_82576_RDBAL(q)) |
			reg_read(&vf, VFRING_82576_RDBAH(q)) |
			reg_read(&vf, VFRING_82576_RDLEN(q));
	}
	for (int i = 1; i < 16; i++)
		bits |= reg_read(&vf, VFRING_82576_VMBMEM(i));
	return bits;
}

static void test_other_open(void *ring, void *frame)
{
	struct uio_vf_dma_map map = {}, other = {};
	volatile uint32_t *canary = memory(PAGE);

	ERROR(vf_map(fd, (void *)canary, PAGE, RW, &map), 0,
	      "left registered at close");
	*canary = CANARY;
	igbvf_tx_head_writeback(&vf, map.iova);
	reg_write(&vf, VFRING_82576_RDBAL(1), 0x12345000);
	reg_write(&vf, VFRING_82576_VMBMEM(7), 0x5ec4e7);
	munmap((void *)vf.regs, VFRING_82576_BAR0_BYTES);
	close(fd);

	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open again");
	igbvf_map(&vf, fd);
	EQUAL(left_behind(), 0, "no address and no message of the last open is left");
	NEED(igbvf_reset(&vf), "the PF answers");
	vf_map(fd, ring, TX_RING_BYTES, RW, &map);
	vf_map(fd, frame, PAGE, UIO_VF_DMA_READ, &other);
	frame_iova = other.iova;
	/* The head write-back address as the open left it. */
	vf.ring = ring;
	vf.tail = 0;
	memset(ring, 0, TX_RING_BYTES);
	reg_write(&vf, VFRING_82576_TDLEN(0), TX_RING_BYTES);
	reg_write(&vf, VFRING_82576_TDBAL(0), (uint32_t)map.iova);
	reg_write(&vf, VFRING_82576_TDBAH(0), map.iova >> 32);
	reg_write(&vf, VFRING_82576_TDH(0), 0);
	reg_write(&vf, VFRING_82576_TDT(0), 0);
	reg_write(&vf, VFRING_82576_TXDCTL(0),
		  VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE);
	OK(igbvf_tx_one(&vf, frame_iova), "a frame of the next open is sent");
	EQUAL(*canary, CANARY,
	      "nothing reaches what the last open had registered");
	igbvf_tx_start(&vf, ring, map.iova);
	munmap((void *)canary, PAGE);
}

int main(void)
{
	struct uio_vf_dma_map ring_map = {}, frame_map = {};
	void *ring = memory(TX_RING_BYTES);
	uint8_t *frame = memory(PAGE);

	set_memlock(64UL << 20);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	if (!igbvf_known(fd)) {
		printf("# no 82576 VF: nothing can make it use DMA\n");
		return tap_end();
	}
	/* Broadcast of the local experimental type. */
	memset(frame, 0xff, 6);
	memset(frame + 6, 0x02, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;

	igbvf_map(&vf, fd);
	NEED(igbvf_reset(&vf), "the PF answers");
	NEED(!vf_map(fd, ring, TX_RING_BYTES, RW, &ring_map), "ring: map");
	NEED(!vf_map(fd, frame, PAGE, UIO_VF_DMA_READ, &frame_map),
	     "frame: map");
	frame_iova = frame_map.iova;
	igbvf_tx_start(&vf, ring, ring_map.iova);
	NEED(igbvf_tx_one(&vf, frame_iova), "a frame is sent");
	OK(vf.ring[0].status & VFRING_TXD_STATUS_DD,
	   "and its descriptor written back");

	test_unmap();
	test_direction();
	test_munmap();
	test_outside();
	test_other_open(ring, frame);
	return tap_end();
}
