/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Client of vfringd's lease socket (docs/lease-protocol.md). Knows no MPI.
 */
#ifndef BTL_VFRING_LEASE_H
#define BTL_VFRING_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFRING_LEASE_DEFAULT_RUN_DIR "/run/vfring"
#define VFRING_LEASE_MAX_REPLY_BYTES 32768u
#define VFRING_LEASE_MAX_REQUEST_BYTES 4096u
#define VFRING_LEASE_MAX_JOB_BYTES 128u
#define VFRING_LEASE_MAX_EXCEPT 64u

/** What a process asks for. */
struct vfring_lease_request {
    const char *run_dir;      /**< folder of lease.sock, absolute */
    const char *job;          /**< label; characters outside [A-Za-z0-9._@:+-] become '_' */
    uint32_t rank, ranks;
    int timeout_ms;           /**< for connecting, sending and receiving together */
};

/** What it got: one VF. Depends on nothing else: what is asked for may be gone when it is given back. */
struct vfring_lease {
    char run_dir[108]; /**< of the daemon that gave it; as long as a socket's path */
    char id[64];
    char name[64];    /**< bdf, or name of the soft VF */
    char device[256]; /**< what to open */
    char pf[64];
    uint32_t mtu_bytes;
    bool soft;
    char segment[64]; /**< what the VF can reach, by name; "": nobody has named it */
    uint32_t vlan;    /**< 1 to 4094; 0: none */
};

/** 1 to 63 characters of [A-Za-z0-9._:-]. */
bool vfring_segment_valid(const char *name);

/** Why it got none. @p code is a VFRING_ERR_* name. */
struct vfring_lease_error {
    char code[48];
    char text[512];
    char remedy[512];
};

/**
 * Leases one VF that @p may_open says yes to; NULL: any. One that it says no to goes back in exchange for another.
 * Where others try the VFs of the same job at the same time, the right one may be with one of them for a moment: it is
 * waited for within the request's time. 0, or a negative errno with @p error filled.
 */
int vfring_lease_acquire(const struct vfring_lease_request *request,
                         bool (*may_open)(const struct vfring_lease *lease),
                         struct vfring_lease *lease, struct vfring_lease_error *error);

/**
 * Whether the devices cgroup lets this process open the VF, without opening it. vfringd knows which VFs a job has, not
 * which of them Slurm has given to one of its steps, or somebody to a container.
 */
bool vfring_lease_may_open(const struct vfring_lease *lease);

/** What only the process knows of how it used its VF, for the record of its job. */
struct vfring_lease_report {
    uint64_t retransmitted_frames;
    uint32_t fallbacks; /**< processes that it reached by another transport, or not at all */
};

/**
 * Gives @p lease back to the daemon that gave it; the device must be closed.
 * @p report may be NULL. 0: the VF is free. Else a negative errno with @p error filled.
 */
int vfring_lease_release(const struct vfring_lease *lease, const struct vfring_lease_report *report,
                         int timeout_ms, struct vfring_lease_error *error);

/**
 * Has the VF with that MAC address come back from the process that had it? *@p back_ms: so many ms ago, the last
 * time, as far as the daemon at @p run_dir knows; -1: it knows of none, or the VF is of another host. 0, or a negative errno with
 * @p error filled (an earlier daemon does not know the question).
 */
int vfring_lease_vf_back(const char *run_dir, const uint8_t mac[6], int timeout_ms, int64_t *back_ms,
                         struct vfring_lease_error *error);

/** Is there a lease socket at all? For processes that did not ask for vfring by name. */
bool vfring_lease_daemon_present(const char *run_dir);

/**
 * The parser of replies, for tests: @p reply has @p bytes, without newline.
 * 0: *@p lease is valid. -EREMOTE: the daemon refused, *@p error says why.
 * -EPROTO: not a reply of this protocol.
 */
int vfring_lease_parse_reply(const char *reply, size_t bytes, struct vfring_lease *lease,
                             struct vfring_lease_error *error);

#endif /* BTL_VFRING_LEASE_H */
