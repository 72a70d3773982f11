/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tools of this folder share: a VF with memory to send from, the clock, numbers of the command line.
 */
#ifndef VFRING_VF_BENCH_H
#define VFRING_VF_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "vfring_vf.h"

#define BENCH_HEADER_BYTES 14u /* of Ethernet */
#define BENCH_MIN_FRAME 60u    /* a shorter one is padded on its way */
#define BENCH_MAX_FRAME 9234u  /* of the largest MTU, 9220, of any NIC that the driver knows */
#define BENCH_MAX_SAMPLES 101u

/** One VF. Its slots hold one frame each, and are used in turns. */
struct bench_port {
    struct vfring_vf *vf;
    struct vfring_vf_info info;
    struct vfring_dma mem;
    uint32_t slots, slot_bytes, next_slot;
};

/** Ends the process with status 1 and the VF's own words if it cannot be had. @p mtu_bytes 0: the VF's. */
void bench_open(struct bench_port *port, const char *path, uint32_t mtu_bytes, uint32_t slots);
void bench_close(struct bench_port *port);
/** The longest frame of @p port. */
uint32_t bench_max_frame(const struct bench_port *port);

/** The slot that is used next. A frame that lies in it since its last use must have left. */
uint8_t *bench_slot(struct bench_port *port, uint64_t *iova);
/** Puts it into the TX ring, which goes out at the next doorbell; waits for room there, ringing. */
void bench_post(struct bench_port *port, uint64_t iova, uint32_t bytes);
/** The Ethernet header of a frame from @p port, of the first ethertype for local experiments. */
void bench_address(const struct bench_port *port, uint8_t *frame, const uint8_t dst[6]);
/** Is this a frame to @p port that bench_address() addressed? */
bool bench_is_ours(const struct bench_port *port, const uint8_t *frame, uint32_t bytes);
/** The same @p bytes for all ends. */
void bench_fill(uint8_t *to, uint32_t bytes);

/** An option of a tool. */
struct bench_option {
    const char *name;
    uint32_t *number; /**< where its argument goes, a number from min to max; NULL: it takes none */
    uint32_t min, max;
    bool *given;      /**< set by an option that takes none */
};

/** What the two ends of a measurement do; @return the exit status. */
struct bench_ends {
    int (*first)(const void *ctx, const char *path, const uint8_t peer[6]);
    /** Calls bench_tell_mac(). */
    int (*second)(const void *ctx, const char *path, int tell);
    const char *second_name; /**< of the option that asks for the second end alone */
    const void *ctx;
};

/** Which ends a command line asks for: the second alone, the first with a peer elsewhere, or both. */
struct bench_role {
    bool is_second;
    bool has_peer;
    uint8_t peer[6];
};

/**
 * Reads the command line of a tool with these @p count options. One that has @p ends has also --peer MAC and the option of
 * their second_name, with one path in place of two, and gets @p role.
 * @return the paths, or NULL if it is wrong; an unknown option is named on standard error then.
 */
char *const *bench_options(int argc, char **argv, const struct bench_option *options, unsigned count,
                           const struct bench_ends *ends, struct bench_role *role);
/** Runs the end or ends of @p role; both on this node, in a process each. @return the exit status of who failed, or 0. */
int bench_run(const struct bench_ends *ends, const struct bench_role *role, char *const paths[]);
/** Tells the first end our MAC, or, @p tell -1, whoever reads standard output. */
void bench_tell_mac(const struct bench_port *port, int tell);

/** The VF's own statistics, in a line on standard output: so it shows by itself that the frames went through it. */
void bench_print_counters(struct bench_port *port, const char *when);

uint64_t bench_now_ns(void);
/** Sorts @p values. */
double bench_median(double *values, uint32_t num);

#endif /* VFRING_VF_BENCH_H */
