/* SPDX-License-Identifier: BSD-3-Clause */
#include "uio_explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "node.h"

bool vfring_uio_explain_missing(const char *path, struct vfring_vf_error *error)
{
    if (strncmp(vfring_node_base(path), "uiovf", 5) != 0) {
        return false;
    }
    if (access("/sys/module/uio_vf", F_OK) != 0) {
        vfring_vf_error_set(error, -ENOENT, "%s does not exist: the kernel module uio_vf is not loaded",
                            path);
        vfring_vf_error_remedy(error, "the administrator runs: modprobe uio_vf, and binds VFs to it "
                                      "(vfring provision, or vfringd)");
        return true;
    }
    vfring_vf_error_set(error, -ENOENT,
                        "%s does not exist: no VF is bound to uio_vf under this name", path);
    vfring_vf_error_remedy(error, "ls /dev/uiovf* shows the bound VFs; the administrator binds more "
                                  "with vfring provision, or vfringd");
    return true;
}

int vfring_uio_explain_abi(const char *path, unsigned major, unsigned minor,
                           struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -EPROTO,
                        "%s: the loaded module uio_vf speaks ABI %u.%u, this vfring speaks %u.x", path,
                        major, minor, UIO_VF_ABI_MAJOR);
    return vfring_vf_error_remedy(error, "the administrator installs module and vfring of one release "
                                         "and reloads: modprobe -r uio_vf; modprobe uio_vf");
}

/* The kernel module refuses for reasons of which an errno tells little: it logs them. */
static int explain_refused(const char *path, int err, struct vfring_vf_error *error)
{
    char bdf[32];

    if (vfring_node_link(path, "device", bdf, sizeof(bdf)) != 0) {
        snprintf(bdf, sizeof(bdf), "unknown");
    }
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

/* Else the module has refused: access() asks for owner, mode (EACCES) and the devices cgroup (EPERM). */
static bool cgroup_bars(const char *path)
{
    return access(path, R_OK | W_OK) != 0 && errno == EPERM;
}

static int explain_barred(const char *path, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -EPERM, "%s: the devices cgroup of this process keeps it from it", path);
    return vfring_vf_error_remedy(error, "ask for VFs where the process is started: a job or step of Slurm "
                                         "(srun --gres=vf:N), or the device nodes of its container");
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

int vfring_uio_explain(const char *path, int err, struct vfring_vf_error *error)
{
    char text[32];

    switch (err) {
    case -ENOENT:
        if (vfring_uio_explain_missing(path, error)) {
            return err;
        }
        break;
    case -EBUSY:
        return vfring_node_explain_busy(
            path, vfring_node_attribute(path, "owner_pid", text, sizeof(text)) == 0 ? strtol(text, NULL, 10) : 0,
            ", or another device of its IOMMU group is", error);
    case -EPERM:
        if (cgroup_bars(path)) {
            return explain_barred(path, error);
        }
        /* fall through */
    case -EIO:
    case -EOPNOTSUPP:
        if (is_bound(path)) {
            return explain_refused(path, err, error);
        }
        break;
    case -ENODEV:
    case -ENXIO:
        return is_bound(path) ? explain_refused(path, err, error) : explain_gone(path, err, error);
    default:
        break;
    }
    return vfring_node_explain(path, err, error);
}

int vfring_uio_explain_nomem(const char *name, const struct uio_vf_dma_map *map, uint32_t max_regions,
                             struct vfring_vf_error *error)
{
    uint64_t need = map->used_bytes + map->length;

    switch (map->reason) {
    case UIO_VF_NOMEM_MEMLOCK:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot pin %" PRIu64 " bytes: the process's limit of locked memory "
                            "(RLIMIT_MEMLOCK) is %" PRIu64 " bytes, %" PRIu64 " are used", name,
                            (uint64_t) map->length, (uint64_t) map->limit_bytes,
                            (uint64_t) map->used_bytes);
        return vfring_vf_error_remedy(error,
                                      "raise it to at least %" PRIu64 " bytes on every node: ulimit -l %"
                                      PRIu64 " (KiB), or memlock in /etc/security/limits.conf, or "
                                      "LimitMEMLOCK= of the service that starts the job (sshd, slurmd); "
                                      "vfringd raises it for a lease", need, (need + 1023) / 1024);
    case UIO_VF_NOMEM_DEVICE:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot register %" PRIu64 " bytes: the administrator's limit for this "
                            "device is %" PRIu64 " bytes, %" PRIu64 " are registered", name,
                            (uint64_t) map->length, (uint64_t) map->limit_bytes,
                            (uint64_t) map->used_bytes);
        return vfring_vf_error_remedy(error,
                                      "the administrator gives vfringd's jobs more memory, or writes at "
                                      "least %" PRIu64 " to /sys/bus/pci/devices/%s/uio_vf/uiovf*/"
                                      "dma_limit_bytes", need, name);
    case UIO_VF_NOMEM_REGIONS:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot register %" PRIu64 " bytes: all %u regions are in use", name,
                            (uint64_t) map->length, max_regions);
        return vfring_vf_error_remedy(error, "let the registration cache keep fewer buffers");
    default:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot pin %" PRIu64 " bytes: the kernel is out of memory", name,
                            (uint64_t) map->length);
        return vfring_vf_error_remedy(error, "free memory on the node, or give each process smaller "
                                             "rings");
    }
}
