/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The guest's memory: maps, and what is inside what.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "vfu_dma.h"
#include "vfu_protocol.h"

#define PAGE ((uint64_t)VFU_PAGE_BYTES)
#define READ VFU_DMA_FLAG_READ
#define WRITE VFU_DMA_FLAG_WRITE
#define BITS 36u
#define FILE_PAGES 64u

static struct vfu_dma dma;
static int file;

static void begin(void)
{
    CHECK_EQ(vfu_dma_init(&dma, BITS), 0);
    file = memfd_create("memory", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, FILE_PAGES * PAGE) == 0);
    for (uint64_t page = 0; page < FILE_PAGES; page++) {
        CHECK_EQ(pwrite(file, &page, sizeof(page), (off_t)(page * PAGE)), sizeof(page));
    }
}

static void end(void)
{
    vfu_dma_fini(&dma);
    close(file);
}

static int map(uint64_t page, uint64_t pages, uint64_t from_page)
{
    return vfu_dma_map(&dma, page * PAGE, pages * PAGE, READ | WRITE, file, from_page * PAGE);
}

/** The number that page @p page of the device's begins with; -1: a fault, -2: no memory. */
static int64_t look(uint64_t page)
{
    uint8_t *vaddr;
    enum vfu_dma_how how = vfu_dma_find(&dma, page * PAGE, PAGE, READ | WRITE, &vaddr);
    int64_t value = 0;

    if (how != VFU_DMA_MEMORY) {
        return how == VFU_DMA_FAULT ? -1 : -2;
    }
    memcpy(&value, vaddr, sizeof(value));
    return value;
}

static bool is_there(uint64_t iova, uint64_t bytes)
{
    uint8_t *vaddr;

    return vfu_dma_find(&dma, iova, bytes, READ | WRITE, &vaddr) == VFU_DMA_MEMORY;
}

static void bad_maps_are_refused(void)
{
    begin();
    CHECK_EQ(vfu_dma_map(&dma, 0, 0, READ, file, 0), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 1, PAGE, READ, file, 0), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE + 1, READ, file, 0), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, 0, file, 0), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ | 4, file, 0), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ, file, 1), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ, file, FILE_PAGES * PAGE), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, (FILE_PAGES + 1) * PAGE, READ, file, 0), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ, file, UINT64_MAX - PAGE + 1), EINVAL);
    CHECK_EQ(vfu_dma_map(&dma, UINT64_MAX - PAGE + 1, 2 * PAGE, READ, -1, 0), EINVAL);
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    CHECK(zero >= 0);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ, zero, 0), EINVAL);
    close(zero);
    CHECK_EQ(dma.num_maps, 0);
    end();
}

static void neighbours_are_one_piece_and_holes_are_none(void)
{
    begin();
    CHECK_EQ(map(10, 1, 3), 0);
    CHECK_EQ(map(12, 1, 5), 0);
    CHECK_EQ(look(10), 3);
    CHECK_EQ(look(12), 5);
    CHECK(!is_there(10 * PAGE, 3 * PAGE));
    CHECK_EQ(map(11, 1, 60), 0); /* out of order, from anywhere in the file */
    CHECK_EQ(look(11), 60);
    CHECK(is_there(10 * PAGE, 3 * PAGE));
    CHECK(is_there(10 * PAGE + 5, 3 * PAGE - 5));
    CHECK(!is_there(10 * PAGE, 3 * PAGE + 1));
    CHECK(!is_there(10 * PAGE - 1, 2));
    CHECK(!is_there(10 * PAGE, 0));
    CHECK(!is_there(12 * PAGE, UINT64_MAX));
    end();
}

static void overlaps_are_refused_and_change_nothing(void)
{
    begin();
    CHECK_EQ(map(10, 4, 0), 0);
    CHECK_EQ(map(10, 4, 0), EEXIST);
    CHECK_EQ(map(9, 2, 8), EEXIST);
    CHECK_EQ(map(13, 2, 8), EEXIST);
    CHECK_EQ(map(11, 1, 8), EEXIST);
    CHECK_EQ(map(1, 30, 8), EEXIST);
    CHECK_EQ(look(10), 0);
    CHECK_EQ(look(11), 1);
    CHECK_EQ(look(9), -1);
    CHECK_EQ(map(14, 1, 8), 0);
    CHECK_EQ(map(9, 1, 8), 0);
    end();
}

static void directions_are_kept(void)
{
    uint8_t *vaddr;

    begin();
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ, file, 0), 0);
    CHECK_EQ(vfu_dma_map(&dma, PAGE, PAGE, READ | WRITE, file, PAGE), 0);
    CHECK_EQ(vfu_dma_find(&dma, 0, 2 * PAGE, READ, &vaddr), VFU_DMA_MEMORY);
    CHECK_EQ(vfu_dma_find(&dma, 0, 2 * PAGE, WRITE, &vaddr), VFU_DMA_FAULT);
    CHECK_EQ(vfu_dma_find(&dma, PAGE, PAGE, WRITE, &vaddr), VFU_DMA_MEMORY);
    end();
}

static void any_range_can_be_taken_away(void)
{
    begin();
    CHECK_EQ(vfu_dma_unmap(&dma, 0, 1ull << 47), 0); /* nothing was there */
    CHECK_EQ(vfu_dma_unmap(&dma, 0, 1ull << 63), 0);
    CHECK_EQ(vfu_dma_unmap(&dma, 1ull << 63, 1ull << 63), 0);
    CHECK_EQ(vfu_dma_unmap(&dma, 0, 0), EINVAL);
    CHECK_EQ(vfu_dma_unmap(&dma, 1, PAGE), EINVAL);
    CHECK_EQ(vfu_dma_unmap(&dma, 2 * PAGE, UINT64_MAX - PAGE + 1), EINVAL);
    CHECK_EQ(map(10, 4, 0), 0);
    CHECK_EQ(map(14, 1, 20), 0);
    CHECK_EQ(map(20, 1, 30), 0);
    CHECK_EQ(vfu_dma_unmap(&dma, 11 * PAGE, PAGE), 0); /* out of the middle */
    CHECK_EQ(look(10), 0);
    CHECK_EQ(look(11), -1);
    CHECK_EQ(look(12), 2);
    CHECK_EQ(vfu_dma_unmap(&dma, 13 * PAGE, 4 * PAGE), 0); /* parts of two, and a hole */
    CHECK_EQ(look(12), 2);
    CHECK_EQ(look(13), -1);
    CHECK_EQ(look(14), -1);
    CHECK_EQ(look(20), 30);
    CHECK_EQ(vfu_dma_unmap(&dma, 0, 1ull << 47), 0); /* a sweep */
    CHECK_EQ(dma.num_maps, 0);
    CHECK_EQ(map(10, 4, 0), 0);
    vfu_dma_unmap_all(&dma);
    CHECK_EQ(look(10), -1);
    end();
}

static void memory_that_was_taken_away_faults_for_this_process_too(void)
{
    begin();
    CHECK_EQ(map(10, 2, 0), 0);
    CHECK_EQ(vfu_dma_unmap(&dma, 10 * PAGE, PAGE), 0);
    int pipes[2];
    CHECK_EQ(pipe(pipes), 0);
    CHECK_EQ(write(pipes[1], dma.window + 10 * PAGE, 1), -1); /* the kernel's look: EFAULT */
    CHECK_EQ(errno, EFAULT);
    CHECK_EQ(write(pipes[1], dma.window + 11 * PAGE, 1), 1);
    close(pipes[0]);
    close(pipes[1]);
    end();
}

static void what_has_no_file_or_lies_outside_is_known(void)
{
    const uint64_t outside = (1ull << BITS) / PAGE;

    begin();
    CHECK_EQ(vfu_dma_map(&dma, 10 * PAGE, PAGE, READ | WRITE, -1, 0), 0);
    CHECK_EQ(look(10), -2);
    CHECK_EQ(map(11, 1, 0), 0);
    CHECK(!is_there(10 * PAGE, 2 * PAGE));
    CHECK(is_there(11 * PAGE, PAGE));
    CHECK_EQ(map(outside, 1, 0), 0);
    CHECK_EQ(map(outside - 1, 1, 7), 0);
    CHECK_EQ(look(outside), -2);
    CHECK_EQ(look(outside - 1), 7);
    CHECK_EQ(vfu_dma_unmap(&dma, (outside - 1) * PAGE, 2 * PAGE), 0);
    CHECK_EQ(look(outside), -1);
    CHECK_EQ(look(outside - 1), -1);
    end();
}

/* Against a model: a page's number in the file, or -1. */
static void many_at_random(void)
{
    enum { PAGES = 200 };
    int model[PAGES];

    begin();
    memset(model, 0xff, sizeof(model));
    srand(1);
    for (int turn = 0; turn < 4000; turn++) {
        uint64_t first = (uint64_t)rand() % PAGES, pages = 1 + (uint64_t)rand() % 8, from = (uint64_t)rand() % 50;
        bool is_free = true;
        for (uint64_t i = first; i < first + pages && i < PAGES; i++) {
            is_free &= model[i] < 0;
        }
        pages = first + pages > PAGES ? PAGES - first : pages;
        bool maps = rand() % 3 != 0;
        CHECK_EQ(maps ? map(first, pages, from) : vfu_dma_unmap(&dma, first * PAGE, pages * PAGE),
                 maps && !is_free ? EEXIST : 0);
        for (uint64_t i = 0; i < pages && (is_free || !maps); i++) {
            model[first + i] = maps ? (int)(from + i) : -1;
        }
        uint64_t probe = (uint64_t)rand() % PAGES;
        CHECK_EQ(look(probe), model[probe]);
    }
    end();
}

static void there_are_so_many_and_no_more(void)
{
    begin();
    for (uint64_t i = 0; i < VFU_MAX_MAPS; i++) {
        CHECK_EQ(vfu_dma_map(&dma, 2 * i * PAGE, PAGE, READ | WRITE, -1, 0), 0);
    }
    CHECK_EQ(vfu_dma_map(&dma, (2ull * VFU_MAX_MAPS) * PAGE, PAGE, READ, -1, 0), ENOSPC);
    CHECK_EQ(vfu_dma_unmap(&dma, 0, PAGE), 0);
    CHECK_EQ(vfu_dma_map(&dma, 0, PAGE, READ, -1, 0), 0);
    end();
}

int main(void)
{
    RUN(bad_maps_are_refused);
    RUN(neighbours_are_one_piece_and_holes_are_none);
    RUN(overlaps_are_refused_and_change_nothing);
    RUN(directions_are_kept);
    RUN(any_range_can_be_taken_away);
    RUN(memory_that_was_taken_away_faults_for_this_process_too);
    RUN(what_has_no_file_or_lies_outside_is_known);
    RUN(many_at_random);
    RUN(there_are_so_many_and_no_more);
    return 0;
}
