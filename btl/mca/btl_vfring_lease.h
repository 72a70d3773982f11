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
    uint32_t count;           /**< VFs that it cannot do without; 0: one */
    uint32_t most;            /**< VFs that it can use, as many as the node's policy gives it; 0: no more than count */
    uint32_t local_ranks;     /**< processes of its job on this node, each of which is left a VF; 0: not known */
    int timeout_ms;           /**< for connecting, sending and receiving together */
};

/** VFs of a lease, at most. */
#define VFRING_LEASE_MAX_VFS 8u

/** What it got: a VF of a lease. Several of one lease have the same id. Depends on nothing else: what is asked for may be gone when it is given back. */
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
 * Leases VFs that @p may_open says yes to; NULL: any. Those that it says no to go back in exchange for others.
 * Where others try the VFs of the same job at the same time, the right one may be with one of them for a moment: it is
 * waited for within the request's time. A vfringd of before that knows of no `most` gives `count`.
 * @p vfs has room for count or most of them, VFRING_LEASE_MAX_VFS at most. @return how many there are; or a negative errno with @p error
 * filled, then none is leased, and vfs->id is empty.
 */
int vfring_lease_acquire(const struct vfring_lease_request *request,
                         bool (*may_open)(const struct vfring_lease *lease),
                         struct vfring_lease *vfs, struct vfring_lease_error *error);

/**
 * Whether the devices cgroup lets this process open the VF, without opening it. vfringd knows which VFs a job has, not
 * which of them Slurm has given to one of its steps, or somebody to a container.
 */
bool vfring_lease_may_open(const struct vfring_lease *lease);

/**
 * Whether @p lease is a VF of the process's still: an administrator may have taken it away. 1 or 0; a negative errno with @p error
 * filled: not known.
 */
int vfring_lease_has(const struct vfring_lease *lease, int timeout_ms, struct vfring_lease_error *error);

/** What only the process knows of how it used its VF, for the record of its job. */
struct vfring_lease_report {
    uint64_t retransmitted_frames;
    uint32_t fallbacks; /**< processes that it reached by another transport, or not at all */
    uint32_t num_vfs;   /**< of which there is more to say; 0: of none */
    struct vfring_lease_vf_report {
        char name[64];
        uint64_t retransmitted_frames; /**< because they went by it */
        uint64_t asides;               /**< times that it was set aside, or a way by it was, for it carried nothing */
        char why[201];                 /**< the last time; characters that cannot be printed become '?'; "": not known */
    } vf[VFRING_LEASE_MAX_VFS];
};

/**
 * Gives the lease of which @p lease is a VF back to the daemon that gave it, with all its VFs; the devices must be closed.
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
 * The parser of replies, for tests: @p reply has @p bytes, without newline. @return how many of @p vfs, which has @p room for
 * more than one or one, are valid. -EREMOTE: the daemon refused, *@p error says why.
 * -EPROTO: not a reply of this protocol.
 */
int vfring_lease_parse_reply(const char *reply, size_t bytes, struct vfring_lease *vfs, unsigned room,
                             struct vfring_lease_error *error);

#endif /* BTL_VFRING_LEASE_H */
