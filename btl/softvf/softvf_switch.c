/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The switch: the soft VFs of one folder, found by MAC address.
 *
 * A VF that this process may not open does not exist for it. Files are looked
 * for when the VF is opened, when a known port turns out to be dead, and when a
 * MAC address is not known or a frame goes to all: then only if the folder has
 * changed or RESCAN_NS have passed (permissions change without a trace in the
 * folder).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "softvf_internal.h"

#define RESCAN_NS 10000000u
/** A receiver takes half a millisecond: a node full of ranks must not pay that for every pair. */
#define EXPECTED_PORTS 8u

static uint32_t slot_of(uint64_t mac)
{
    return (uint32_t)(mac * 0x9e3779b97f4a7c15ull >> 53); /* 11 bits */
}
_Static_assert(SOFTVF_HASH_SLOTS == 1u << 11, "slot_of");
_Static_assert(SOFTVF_MAX_PORTS < SOFTVF_HASH_SLOTS, "the hash must never be full");

static void rebuild_hash(struct softvf_switch *sw)
{
    memset(sw->hash, 0, SOFTVF_HASH_SLOTS * sizeof(*sw->hash));
    for (uint32_t i = 0; i < sw->num_ports; i++) {
        uint32_t slot = slot_of(sw->ports[i]->mac);
        while (sw->hash[slot] != NULL) {
            slot = (slot + 1) % SOFTVF_HASH_SLOTS;
        }
        sw->hash[slot] = sw->ports[i];
    }
    sw->last = NULL;
}

static struct softvf_port *find_port(const struct softvf_switch *sw, uint64_t mac)
{
    uint32_t slot = slot_of(mac);

    while (sw->hash[slot] != NULL && sw->hash[slot]->mac != mac) {
        slot = (slot + 1) % SOFTVF_HASH_SLOTS;
    }
    return sw->hash[slot];
}

/** vf<N> with N in decimal, no leading zero. */
static bool is_vf_name(const char *name)
{
    char *end;

    if (strncmp(name, "vf", 2) != 0 || name[2] < '0' || name[2] > '9' ||
        (name[2] == '0' && name[3] != '\0')) {
        return false;
    }
    errno = 0;
    unsigned long index = strtoul(name + 2, &end, 10);
    return *end == '\0' && errno == 0 && index <= SOFTVF_MAX_INDEX;
}

/** Maps one file. Whatever is wrong with it, it is then no port. */
static void add_port(struct softvf_switch *sw, const char *name)
{
    struct softvf_header hdr;
    struct stat st;
    int fd = openat(sw->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        return;
    }
    struct softvf_port *port = calloc(1, sizeof(*port));
    if (port != NULL && softvf_file_check(fd, &hdr) == 0 && SOFTVF_GET(&hdr.dead) == 0 &&
        fstat(fd, &st) == 0 && softvf_file_map(fd, &port->file) == 0) {
        port->mac = softvf_mac_key(hdr.mac);
        port->model = softvf_model_at(hdr.model);
        port->device = st.st_dev;
        port->inode = st.st_ino;
        port->seen = true;
        sw->ports[sw->num_ports++] = port;
    } else {
        free(port);
    }
    close(fd);
}

static void look_at(struct softvf_switch *sw, const char *name)
{
    struct stat st;

    if (fstatat(sw->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
        (st.st_dev == sw->own_device && st.st_ino == sw->own_inode)) {
        return;
    }
    for (uint32_t i = 0; i < sw->num_ports; i++) {
        struct softvf_port *port = sw->ports[i];
        if (port->inode == st.st_ino && port->device == st.st_dev) {
            port->seen = true;
            return;
        }
    }
    if (sw->num_ports < SOFTVF_MAX_PORTS) {
        add_port(sw, name);
    }
}

static void drop_gone(struct softvf_switch *sw)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < sw->num_ports; i++) {
        struct softvf_port *port = sw->ports[i];
        if (port->seen && !softvf_is_dead(port->file)) {
            sw->ports[kept++] = port;
        } else {
            softvf_file_unmap(port->file);
            free(port);
        }
    }
    sw->num_ports = kept;
}

/** When the folder's list of names changed last; 0 if it does not say. */
static uint64_t folder_time(const struct softvf_switch *sw)
{
    struct stat st;

    if (fstat(sw->dir_fd, &st) != 0) {
        return 0;
    }
    return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

static void scan(struct softvf_switch *sw)
{
    int fd = openat(sw->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    sw->last_scan_ns = softvf_now_ns();
    sw->folder_time = folder_time(sw); /* before looking: later changes differ */
    for (uint32_t i = 0; i < sw->num_ports; i++) {
        sw->ports[i]->seen = dir == NULL; /* cannot list: keep what is known and alive */
    }
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (is_vf_name(entry->d_name)) {
            look_at(sw, entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
    drop_gone(sw);
    rebuild_hash(sw);
}

static bool is_due(const struct softvf_switch *sw)
{
    return softvf_now_ns() - sw->last_scan_ns >= RESCAN_NS || folder_time(sw) != sw->folder_time;
}

/** The live port of @p mac, or NULL. */
static struct softvf_port *resolve(struct softvf_switch *sw, uint64_t mac)
{
    struct softvf_port *port = find_port(sw, mac);

    if (port != NULL ? softvf_is_dead(port->file) : is_due(sw)) {
        scan(sw); /* which forgets dead ports, so the next miss is a plain one */
        port = find_port(sw, mac);
    }
    return port != NULL && !softvf_is_dead(port->file) ? port : NULL;
}

static void forward_to_all(struct softvf *dev, const struct softvf_frame *frame)
{
    struct softvf_switch *sw = &dev->sw;

    if (is_due(sw)) {
        scan(sw);
    }
    for (uint32_t i = 0; i < sw->num_ports; i++) {
        if (!softvf_is_dead(sw->ports[i]->file)) {
            softvf_rx_deliver(sw->ports[i], frame);
        }
    }
}

void softvf_switch_forward(struct softvf *dev, const struct softvf_frame *frame)
{
    struct softvf_switch *sw = &dev->sw;
    struct softvf_port *port = sw->last;

    if (SOFTVF_UNLIKELY(port == NULL || port->mac != frame->dst_mac ||
                        softvf_is_dead(port->file))) {
        if ((frame->dst_mac & SOFTVF_MAC_GROUP_BIT) != 0) {
            forward_to_all(dev, frame);
            return;
        }
        port = resolve(sw, frame->dst_mac);
        if (port == NULL) {
            /* Out on the wire and gone, like a frame to a MAC nobody has. */
            softvf_count(dev->file, SOFTVF_TX_NO_RECEIVER);
            return;
        }
        if (SOFTVF_UNLIKELY(!port->populated)) {
            softvf_populate_port(port);
        }
        sw->last = port;
    }
    softvf_rx_deliver(port, frame);
}

void softvf_expect(struct softvf *dev, const uint8_t mac[6])
{
    softvf_begin(dev);

    struct softvf_port *port = resolve(&dev->sw, softvf_mac_key(mac));

    if (port != NULL && !port->populated && dev->sw.num_expected < EXPECTED_PORTS) {
        dev->sw.num_expected++;
        softvf_populate_port(port);
    }
    softvf_end(dev);
}

int softvf_switch_open(struct softvf_switch *sw, const char *path, int own_fd)
{
    char folder[PATH_MAX];
    struct stat st;

    if (realpath(path, folder) == NULL || fstat(own_fd, &st) != 0) {
        return -errno;
    }
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
    sw->own_device = st.st_dev;
    sw->own_inode = st.st_ino;
    sw->ports = calloc(SOFTVF_MAX_PORTS, sizeof(struct softvf_port *));
    sw->hash = calloc(SOFTVF_HASH_SLOTS, sizeof(struct softvf_port *));
    if (sw->ports == NULL || sw->hash == NULL) {
        return -ENOMEM;
    }
    sw->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sw->dir_fd < 0) {
        return -errno;
    }
    scan(sw);
    return 0;
}

void softvf_switch_close(struct softvf_switch *sw)
{
    for (uint32_t i = 0; i < sw->num_ports; i++) {
        softvf_file_unmap(sw->ports[i]->file);
        free(sw->ports[i]);
    }
    free(sw->ports);
    free(sw->hash);
    if (sw->dir_fd >= 0) {
        close(sw->dir_fd);
    }
}
