/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A vfringd that plays one part: what it answers a lease client, how well, and when. One at a time, in a folder of its own.
 */
#ifndef PLAYED_DAEMON_H
#define PLAYED_DAEMON_H

#include <stddef.h>

#include "btl_vfring_lease.h"

/** What a daemon says that gives a VF, and one that has none. */
#define GOOD_REPLY \
    "{\"v\":1,\"ok\":true,\"lease\":\"l-17\",\"memlock_bytes\":134217728,\"vfs\":[{\"kind\":\"sriov\"," \
    "\"name\":\"0000:01:10.0\",\"device\":\"/dev/uiovf0\",\"mac\":\"02:76:66:00:01:00\",\"mtu\":9000," \
    "\"pf\":\"ens1\",\"numa\":-1,\"dma_limit_bytes\":67108864}]}"
#define REFUSAL \
    "{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_NO_FREE_VF\",\"message\":\"all 4 VFs are leased\"," \
    "\"remedy\":\"wait\"}"
/** With newline: two soft VFs. */
#define TWO_VFS \
    "{\"v\":1,\"ok\":true,\"lease\":\"l-9\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"vf0\",\"device\":\"/a/vf0\",\"mtu\":1500}," \
    "{\"kind\":\"soft\",\"name\":\"vf7\",\"device\":\"/b/vf7\",\"mtu\":9000,\"segment\":\"b\"}]}\n"

/** Where it is: the run directory, and the socket in it. */
extern char run_dir[];
extern char socket_path[];

#define PLAYED_DESCRIPTORS 16u

/** What it does with a connection. */
struct part {
    const char *reply;  /* bytes to send, or NULL: none */
    size_t reply_bytes;
    unsigned descriptors; /* that come with it: pipes' reading ends, of which the other ends are written here */
    int write_ends[PLAYED_DESCRIPTORS];
    int early;          /* answers before it has read */
    int hold;           /* keeps the connection open until the client leaves */
    int listener;
    struct part *next; /* of the next connection */
    char request[VFRING_LEASE_MAX_REQUEST_BYTES];
};

/** Makes the folder; takes it away. */
void played_daemon_begin(void);
void played_daemon_end(void);

/** A part: reads a request and sends @p text, which stays the caller's. */
struct part answers(const char *text);

/** Listens for connections, of which one may wait. */
int listen_here(void);

/** Threads: plays @p arg, a struct part; or it and those that are next. */
void *play(void *arg);
void *play_all(void *arg);

/** Asks for one VF of a daemon that plays @p part. @return as vfring_lease_acquire(). */
int acquire(struct part *part, int timeout_ms, struct vfring_lease *lease, struct vfring_lease_error *error);

#endif /* PLAYED_DAEMON_H */
