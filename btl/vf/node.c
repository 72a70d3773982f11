/* SPDX-License-Identifier: BSD-3-Clause */
#include "node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"

#define SYSFS_PATH_BYTES 128

const char *vfring_node_base(const char *path)
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

int vfring_node_link(const char *path, const char *link, char *name, size_t size)
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
    snprintf(name, size, "%s", vfring_node_base(target));
    return 0;
}

bool vfring_node_leads_to(const char *path, const char *bdf)
{
    struct vfring_node node;
    char function[64];

    if (vfring_node_look(path, &node) != 0) {
        return false;
    }
    return node.kind != VFRING_NODE_DEVICE ||
           (vfring_node_link(path, "device", function, sizeof(function)) == 0 && strcmp(function, bdf) == 0);
}

int vfring_node_pci_attribute(const char *bdf, const char *attribute, char *text, size_t size)
{
    char file[SYSFS_PATH_BYTES];

    return (size_t) snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/%s", bdf, attribute) >= sizeof(file) ?
           -ENAMETOOLONG : read_line(file, text, size);
}

int vfring_node_group_member(const char *path, char *name, size_t size)
{
    char folder[SYSFS_PATH_BYTES];
    const struct dirent *entry;
    int num = 0;
    DIR *dir;

    if ((size_t) snprintf(folder, sizeof(folder), "/sys/kernel/iommu_groups/%s/devices", vfring_node_base(path)) >=
        sizeof(folder)) {
        return -ENAMETOOLONG;
    }
    dir = opendir(folder);
    if (dir == NULL) {
        return -errno;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(name, size, "%.*s", (int) size - 1, entry->d_name);
            num++;
        }
    }
    closedir(dir);
    return num == 1 ? 0 : num == 0 ? -ENODEV : -ENOTUNIQ;
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

int vfring_node_explain_busy(const char *path, long pid, const char *or_what,
                             struct vfring_vf_error *error)
{
    char file[64];
    char command[32] = "";

    if (pid <= 0) {
        vfring_vf_error_set(error, -EBUSY, "%s is in use by another process%s", path, or_what);
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

int vfring_node_explain(const char *path, int err, struct vfring_vf_error *error)
{
    if (err == -EACCES) {
        return explain_access(path, error);
    }
    vfring_vf_error_set(error, err, "cannot open %s: %s", path, strerror(-err));
    return vfring_vf_error_remedy(error, "mend what the system complains about and start again");
}

int vfring_node_look(const char *path, struct vfring_node *node)
{
    struct stat st;

    memset(node, 0, sizeof(*node));
    if (stat(path, &st) != 0) {
        return -errno;
    }
    node->kind = S_ISREG(st.st_mode) ? VFRING_NODE_FILE
                 : S_ISCHR(st.st_mode) ? VFRING_NODE_DEVICE : VFRING_NODE_OTHER;
    if (node->kind == VFRING_NODE_DEVICE &&
        vfring_node_link(path, "subsystem", node->class, sizeof(node->class)) != 0) {
        node->class[0] = '\0';
    }
    return 0;
}
