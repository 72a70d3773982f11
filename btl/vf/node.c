/* SPDX-License-Identifier: BSD-3-Clause */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"

#define SYSFS_PATH_BYTES 128

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* /sys/dev/char/<major>:<minor>/<what> of a character device. */
static int sysfs_path(const char *path, const char *what, char out[SYSFS_PATH_BYTES])
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return -errno;
    }
    if (!S_ISCHR(st.st_mode)) {
        return -ENODEV;
    }
    snprintf(out, SYSFS_PATH_BYTES, "/sys/dev/char/%u:%u/%s", major(st.st_rdev), minor(st.st_rdev),
             what);
    return 0;
}

static int read_line(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }

    ssize_t got = read(fd, text, size - 1);
    int err = got < 0 ? -errno : 0;

    close(fd);
    text[got < 0 ? 0 : got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return err;
}

int vfring_node_attribute(const char *path, const char *attribute, char *text, size_t size)
{
    char file[SYSFS_PATH_BYTES];
    int ret = sysfs_path(path, attribute, file);

    return ret != 0 ? ret : read_line(file, text, size);
}

/* Last component of a link of the node's class device: "subsystem", "device". */
static int link_name(const char *path, const char *link, char *name, size_t size)
{
    char file[SYSFS_PATH_BYTES];
    char target[256];
    int ret = sysfs_path(path, link, file);

    if (ret != 0) {
        return ret;
    }

    ssize_t got = readlink(file, target, sizeof(target) - 1);
    if (got < 0) {
        return -errno;
    }
    target[got] = '\0';
    snprintf(name, size, "%s", base_name(target));
    return 0;
}

void vfring_node_bdf(const char *path, char *bdf, size_t size)
{
    if (link_name(path, "device", bdf, size) != 0) {
        snprintf(bdf, size, "unknown");
    }
}

static int explain_missing(const char *path, struct vfring_vf_error *error)
{
    if (strncmp(base_name(path), "uiovf", 5) != 0) {
        vfring_vf_error_set(error, -ENOENT, "%s does not exist", path);
        return vfring_vf_error_remedy(error, "give the node of a VF (/dev/uiovf<N>) or a soft VF's "
                                             "file, made by: vfring-softvf create DIR --index N "
                                             "--mac MAC");
    }
    if (access("/sys/module/uio_vf", F_OK) != 0) {
        vfring_vf_error_set(error, -ENOENT, "%s does not exist: the kernel module uio_vf is not loaded",
                            path);
        return vfring_vf_error_remedy(error, "the administrator runs: modprobe uio_vf, and binds VFs "
                                             "to it (vfring provision, or vfringd)");
    }
    vfring_vf_error_set(error, -ENOENT,
                        "%s does not exist: no VF is bound to uio_vf under this name", path);
    return vfring_vf_error_remedy(error, "ls /dev/uiovf* shows the bound VFs; the administrator binds "
                                         "more with vfring provision, or vfringd");
}

static void user_name(uid_t uid, char *name, size_t size)
{
    char memory[1024];
    struct passwd entry;
    struct passwd *found = NULL;

    if (getpwuid_r(uid, &entry, memory, sizeof(memory), &found) == 0 && found != NULL) {
        snprintf(name, size, "%s", found->pw_name);
    } else {
        snprintf(name, size, "uid %u", (unsigned) uid);
    }
}

static int explain_access(const char *path, struct vfring_vf_error *error)
{
    struct stat st;
    char owner[64];
    char self[64];

    user_name(geteuid(), self, sizeof(self));
    if (stat(path, &st) != 0) {
        vfring_vf_error_set(error, -EACCES, "%s: %s may not search a folder on the way to it", path,
                            self);
        return vfring_vf_error_remedy(error, "the administrator gives the folders above it mode 0755, "
                                             "or names another path");
    }
    user_name(st.st_uid, owner, sizeof(owner));
    vfring_vf_error_set(error, -EACCES, "%s belongs to %s with mode %04o; %s may not open it for "
                        "reading and writing", path, owner, st.st_mode & 07777u, self);
    return vfring_vf_error_remedy(error, "lease the VF from vfringd, which hands it over for the time "
                                         "of the job; or the administrator runs: chown %s %s", self,
                                  path);
}

/* Who holds a flock on the file; /proc/locks has it where it can be seen. 0: unknown. */
static long lock_owner(const char *path)
{
    struct stat st;
    char line[256];
    long owner = 0;
    FILE *locks;

    if (stat(path, &st) != 0 || (locks = fopen("/proc/locks", "re")) == NULL) {
        return 0;
    }
    while (owner == 0 && fgets(line, sizeof(line), locks) != NULL) {
        char kind[16];
        long pid;
        unsigned maj;
        unsigned min;
        unsigned long inode;

        if (sscanf(line, "%*d: %15s %*s %*s %ld %x:%x:%lu", kind, &pid, &maj, &min, &inode) == 5 &&
            strcmp(kind, "FLOCK") == 0 && inode == st.st_ino && maj == major(st.st_dev) &&
            min == minor(st.st_dev) && pid > 0) {
            owner = pid;
        }
    }
    fclose(locks);
    return owner;
}

static int explain_busy(const char *path, enum vfring_node_kind kind, struct vfring_vf_error *error)
{
    char text[32];
    char file[64];
    char command[32] = "";
    long pid = 0;

    if (kind == VFRING_NODE_SOFT) {
        pid = lock_owner(path);
    } else if (vfring_node_attribute(path, "owner_pid", text, sizeof(text)) == 0) {
        pid = strtol(text, NULL, 10);
    }
    if (pid <= 0) {
        vfring_vf_error_set(error, -EBUSY, "%s is in use by another process%s", path,
                            kind == VFRING_NODE_UIO ? ", or another device of its IOMMU group is" : "");
        return vfring_vf_error_remedy(error, "wait for it to end, or take another VF (vfring status "
                                             "shows who has which)");
    }
    snprintf(file, sizeof(file), "/proc/%ld/comm", pid);
    if (read_line(file, command, sizeof(command)) != 0) {
        snprintf(command, sizeof(command), "of another user");
    }
    vfring_vf_error_set(error, -EBUSY, "%s is in use by process %ld (%s)", path, pid, command);
    return vfring_vf_error_remedy(error, "wait for process %ld to end or end it, or take another VF; "
                                         "a VF serves one process at a time", pid);
}

/* The kernel module refuses for reasons of which an errno tells little: it logs them. */
static int explain_refused(const char *path, int err, struct vfring_vf_error *error)
{
    char bdf[32];

    vfring_node_bdf(path, bdf, sizeof(bdf));
    vfring_vf_error_set(error, err, "%s: the kernel refuses to let %s drive VF %s: %s", path,
                        geteuid() == 0 ? "a process" : "an unprivileged process", bdf,
                        err == -EPERM || err == -ENODEV ?
                        "no IOMMU with interrupt remapping confines it" : strerror(-err));
    return vfring_vf_error_remedy(error,
                                  "the administrator reads the reason in the kernel log (dmesg | grep "
                                  "\"uio_vf %s: refused\"); mostly the IOMMU must be turned on, in the "
                                  "firmware and on the kernel command line (intel_iommu=on or amd_iommu=on)",
                                  bdf);
}

static int explain_gone(const char *path, int err, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, err, "%s: the VF behind it was unbound or removed", path);
    return vfring_vf_error_remedy(error, "the administrator binds it to uio_vf again (vfring provision, "
                                         "or vfringd)");
}

/* Bound and not gone: then it was refused. */
static bool is_bound(const char *path)
{
    char state[16];

    return vfring_node_attribute(path, "state", state, sizeof(state)) == 0 &&
           strcmp(state, "gone") != 0;
}

int vfring_node_explain(const char *path, enum vfring_node_kind kind, int err,
                        struct vfring_vf_error *error)
{
    switch (err) {
    case -ENOENT:
        return explain_missing(path, error);
    case -EACCES:
        return explain_access(path, error);
    case -EBUSY:
        return explain_busy(path, kind, error);
    case -EPERM:
    case -EIO:
    case -EOPNOTSUPP:
        if (kind == VFRING_NODE_UIO && is_bound(path)) {
            return explain_refused(path, err, error);
        }
        break;
    case -ENODEV:
    case -ENXIO:
        return kind == VFRING_NODE_UIO && is_bound(path) ? explain_refused(path, err, error)
                                                         : explain_gone(path, err, error);
    default:
        break;
    }
    vfring_vf_error_set(error, err, "cannot open %s: %s", path, strerror(-err));
    return vfring_vf_error_remedy(error, "mend what the system complains about and start again");
}

int vfring_node_classify(const char *path, enum vfring_node_kind *kind,
                         struct vfring_vf_error *error)
{
    struct stat st;
    char class[64];

    if (stat(path, &st) != 0) {
        return vfring_node_explain(path, VFRING_NODE_UIO, -errno, error);
    }
    if (S_ISREG(st.st_mode)) {
        *kind = VFRING_NODE_SOFT;
        return 0;
    }
    if (!S_ISCHR(st.st_mode)) {
        vfring_vf_error_set(error, -ENODEV, "%s is neither a character device nor a file", path);
    } else if (link_name(path, "subsystem", class, sizeof(class)) != 0) {
        vfring_vf_error_set(error, -ENODEV, "%s is a character device that no driver serves now", path);
    } else if (strcmp(class, "uio_vf") == 0) {
        *kind = VFRING_NODE_UIO;
        return 0;
    } else {
        vfring_vf_error_set(error, -ENODEV, "%s is a character device of class %s, not of uio_vf", path,
                            class);
    }
    return vfring_vf_error_remedy(error, "give the node of a VF bound to uio_vf (/dev/uiovf<N>) or a "
                                         "soft VF's file");
}
