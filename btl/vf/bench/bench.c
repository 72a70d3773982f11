/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* No VF needs as long for a ring full of frames. */
#define STUCK_AFTER_NS 10000000000ull

static void give_up(const struct vfring_vf_error *error)
{
    fprintf(stderr, "%s: %s; remedy: %s\n", program_invocation_short_name, error->text, error->remedy);
    exit(1);
}

void bench_open(struct bench_port *port, const char *path, uint32_t mtu_bytes, uint32_t slots)
{
    const struct vfring_vf_params params = {.path = path, .mtu_bytes = mtu_bytes};
    struct vfring_vf_error error;

    memset(port, 0, sizeof(*port));
    if (vfring_vf_open(&params, &port->vf, &error) != 0) {
        give_up(&error);
    }
    vfring_vf_query(port->vf, &port->info);
    port->slots = slots;
    port->slot_bytes = (bench_max_frame(port) + 63) & ~63u;
    if (vfring_vf_dma_alloc(port->vf, (size_t) slots * port->slot_bytes, VFRING_DMA_READ, &port->mem, &error) != 0) {
        give_up(&error);
    }
}

void bench_close(struct bench_port *port)
{
    vfring_vf_stop(port->vf);
    vfring_vf_dma_free(port->vf, &port->mem);
    vfring_vf_close(port->vf);
}

uint32_t bench_max_frame(const struct bench_port *port)
{
    return port->info.mtu_bytes + BENCH_HEADER_BYTES;
}

uint8_t *bench_slot(struct bench_port *port, uint64_t *iova)
{
    const size_t offset = (size_t) port->next_slot * port->slot_bytes;

    port->next_slot = (port->next_slot + 1) % port->slots;
    *iova = port->mem.iova + offset;
    return (uint8_t *) port->mem.vaddr + offset;
}

void bench_post(struct bench_port *port, uint64_t iova, uint32_t bytes)
{
    const struct vfring_tx_seg seg = {iova, bytes};
    uint64_t begin_ns;
    uint32_t seq;

    if (vfring_vf_tx_post_one(port->vf, iova, bytes) != 0) {
        return;
    }
    begin_ns = bench_now_ns();
    while (vfring_vf_tx_post(port->vf, &seg, 1, &seq) != 0) {
        vfring_vf_tx_doorbell(port->vf);
        (void) vfring_vf_tx_done(port->vf);
        if (bench_now_ns() - begin_ns > STUCK_AFTER_NS) {
            fprintf(stderr, "%s: %s has sent nothing for %llu s: has it a link?\n", program_invocation_short_name,
                    port->info.name, STUCK_AFTER_NS / 1000000000u);
            exit(1);
        }
    }
}

void bench_address(const struct bench_port *port, uint8_t *frame, const uint8_t dst[6])
{
    memcpy(frame, dst, 6);
    memcpy(frame + 6, port->info.mac, 6);
    frame[12] = 0x88;
    frame[13] = 0xb5;
}

bool bench_is_ours(const struct bench_port *port, const uint8_t *frame, uint32_t bytes)
{
    return bytes >= BENCH_MIN_FRAME && memcmp(frame, port->info.mac, 6) == 0 && frame[12] == 0x88 && frame[13] == 0xb5;
}

void bench_fill(uint8_t *to, uint32_t bytes)
{
    uint32_t random = 1;

    for (uint32_t i = 0; i < bytes; i++) {
        random = random * 1664525u + 1013904223u;
        to[i] = (uint8_t) (random >> 24);
    }
}

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
        exit(1);
    }
}

void bench_tell_mac(const struct bench_port *port, int tell)
{
    const uint8_t *mac = port->info.mac;

    if (tell >= 0) {
        must(write(tell, mac, 6) == 6, "write");
        return;
    }
    printf("MAC %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    fflush(stdout);
}

static int both_ends(const struct bench_ends *ends, char *const paths[2])
{
    uint8_t peer[6];
    int mac[2];
    int status;
    int ret;
    pid_t pid;
    bool has_mac;

    must(pipe(mac) == 0, "pipe");
    pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* the first end may give up */
        close(mac[0]);
        exit(ends->second(ends->ctx, paths[1], mac[1]));
    }
    close(mac[1]);
    has_mac = read(mac[0], peer, 6) == 6; /* or the second end has said why not */
    ret = has_mac ? ends->first(ends->ctx, paths[0], peer) : 0;
    if (ret != 0) {
        kill(pid, SIGTERM); /* nobody tells it to end */
    }
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    return ret != 0 ? ret : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int bench_run(const struct bench_ends *ends, const struct bench_role *role, char *const paths[])
{
    if (role->is_second) {
        return ends->second(ends->ctx, paths[0], -1);
    }
    return role->has_peer ? ends->first(ends->ctx, paths[0], role->peer) : both_ends(ends, paths);
}

void bench_print_counters(struct bench_port *port, const char *when)
{
    struct vfring_vf_counters now;

    vfring_vf_counters(port->vf, &now);
    printf("%s %s: rx %llu frames %llu bytes, tx %llu frames %llu bytes\n", port->info.name, when,
           (unsigned long long) now.rx_frames, (unsigned long long) now.rx_bytes,
           (unsigned long long) now.tx_frames, (unsigned long long) now.tx_bytes);
    fflush(stdout);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *) a;
    const double y = *(const double *) b;

    return (x > y) - (x < y);
}

double bench_median(double *values, uint32_t num)
{
    qsort(values, num, sizeof(values[0]), compare);
    return values[num / 2];
}
