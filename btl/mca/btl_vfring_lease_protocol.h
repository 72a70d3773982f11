/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The lease protocol (docs/lease-protocol.md) as the BTL speaks it: what it says, and its lines of JSON, written and
 * read. Knows no MPI and no socket.
 */
#ifndef BTL_VFRING_LEASE_PROTOCOL_H
#define BTL_VFRING_LEASE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    bool vfio;        /**< it is opened already: what it was opened to came with it */
    int device_fd;    /**< of such a one; -1: closed by vfring_lease_close_device() */
    int container_fd; /**< of all such VFs of the lease that it is of; -1: there are none, or closed by vfring_lease_close_container() */
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

/** What only the process knows of how it used its VF, for the record of its job. */
struct vfring_lease_report {
    uint64_t retransmitted_frames;
    uint32_t fallbacks; /**< processes that it reached by another transport, or not at all */
    uint32_t num_vfs;   /**< of which there is more to say; 0: of none */
    struct vfring_lease_vf_report {
        char name[64];
        uint64_t retransmitted_frames; /**< because they went by it */
        bool aside;                    /**< now; only told of while it is leased */
        uint64_t asides;               /**< times that it was set aside, or a way by it was, for it carried nothing */
        char why[201];                 /**< the last time; characters that cannot be printed become '?'; "": not known */
    } vf[VFRING_LEASE_MAX_VFS];
};

/** VFs that are not to be had, by name. */
struct vfring_lease_except {
    unsigned num;
    char name[VFRING_LEASE_MAX_EXCEPT][64];
};

/* --- errors ---------------------------------------------------------------------------------- */

/** Fills *@p error, without remedy. @return @p err. */
__attribute__((format(printf, 4, 5))) int vfring_lease_fail(struct vfring_lease_error *error, int err, const char *code,
                                                            const char *format, ...);
/** And what to do about it. */
__attribute__((format(printf, 2, 3))) void vfring_lease_remedy(struct vfring_lease_error *error, const char *format, ...);
/** The remedy where vfringd and the BTL do not understand each other. */
void vfring_lease_other_release(struct vfring_lease_error *error);

/* --- requests: each is written to a line with its newline. @return its bytes, or a negative errno with @p error filled -- */

/**
 * For VFs. @p except may be NULL; @p instead_of is the id of the lease that is given back with it, or NULL; @p most: with the
 * fields that a vfringd of before does not know.
 */
int vfring_lease_write_lease(const struct vfring_lease_request *request, const struct vfring_lease_except *except,
                             const char *instead_of, bool most, char line[VFRING_LEASE_MAX_REQUEST_BYTES],
                             struct vfring_lease_error *error);
/** For what a lease has. */
int vfring_lease_write_show(const char *id, char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error);
/** To give it back. @p report may be NULL. */
int vfring_lease_write_release(const char *id, const struct vfring_lease_report *report,
                               char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error);
/** To tell of it so far. */
int vfring_lease_write_report(const char *id, const struct vfring_lease_report *report,
                              char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error);
/** For what became of the VF with that MAC address. */
int vfring_lease_write_vf(const uint8_t mac[6], char line[VFRING_LEASE_MAX_REQUEST_BYTES],
                          struct vfring_lease_error *error);

/* --- replies ----------------------------------------------------------------------------------- */

/**
 * What vfringd's reply says; it has @p bytes, without newline. @p vfs has @p room for those of a lease; NULL: the request was for
 * none. @return how many of @p vfs are valid; 0 without them; -EREMOTE: the daemon refused, *@p error says why;
 * -EPROTO: not a reply of this protocol.
 */
int vfring_lease_parse_reply(const char *reply, size_t bytes, struct vfring_lease *vfs, unsigned room,
                             struct vfring_lease_error *error);

/** To a question for a VF. *@p back_ms: as of vfring_lease_vf_back(). @return 0, -EREMOTE or -EPROTO, as vfring_lease_parse_reply(). */
int vfring_lease_parse_back(const char *reply, size_t bytes, int64_t *back_ms, struct vfring_lease_error *error);

#endif /* BTL_VFRING_LEASE_PROTOCOL_H */
