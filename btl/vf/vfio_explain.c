/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "error.h"
#include "node.h"

bool vfring_vfio_explain_missing(const char *path, struct vfring_vf_error *error)
{
    if (strncmp(path, "/dev/vfio/", 10) != 0) {
        return false;
    }
    if (access("/sys/module/vfio_pci", F_OK) != 0) {
        vfring_vf_error_set(error, -ENOENT, "%s does not exist: the kernel module vfio-pci is not loaded", path);
        vfring_vf_error_remedy(error, "the administrator runs: modprobe vfio-pci, and binds VFs to it (vfringd, with "
                                      "backend: vfio)");
        return true;
    }
    vfring_vf_error_set(error, -ENOENT, "%s does not exist: no VF of this IOMMU group is bound to vfio-pci", path);
    vfring_vf_error_remedy(error, "ls -l /sys/bus/pci/drivers/vfio-pci/*/iommu_group shows the bound ones; the "
                                  "administrator binds more with vfringd, or vfring provision");
    return true;
}

static int explain_barred(const char *path, const char *name, int err, struct vfring_vf_error *error)
{
    if (access(path, R_OK | W_OK) != 0 && errno == EPERM) {
        vfring_vf_error_set(error, err, "%s: the devices cgroup of this process keeps it from it", path);
        return vfring_vf_error_remedy(error, "let vfringd lend the VF, which opens it for the process");
    }
    vfring_vf_error_set(error, err, "%s: the kernel does not let a process have VF %s by VFIO", path, name);
    return vfring_vf_error_remedy(error, "the administrator reads the kernel log (dmesg | grep -i vfio)");
}

int vfring_vfio_explain_open(const char *path, const char *name, enum vfring_vfio_step step, int err,
                             struct vfring_vf_error *error)
{
    if (err == -EBUSY && step == VFRING_VFIO_OPEN_GROUP) {
        return vfring_node_explain_busy(path, 0, "", error);
    }
    if (err == -ENOENT && step == VFRING_VFIO_OPEN_CONTAINER) {
        (void) vfring_vfio_explain_missing(VFRING_VFIO_CONTAINER, error);
        return err;
    }
    if (step == VFRING_VFIO_CHECK_GROUP && err == -EPERM) {
        vfring_vf_error_set(error, err, "VF %s shares its IOMMU group with a function that another driver has", name);
        return vfring_vf_error_remedy(error, "the administrator looks at %s's neighbours (ls "
                                             "/sys/bus/pci/devices/%s/iommu_group/devices), and puts the card where "
                                             "each VF has a group of its own (a slot with ACS)", name, name);
    }
    if (step == VFRING_VFIO_CHECK_CONTAINER) {
        vfring_vf_error_set(error, err, "%s has no IOMMU of type 1", VFRING_VFIO_CONTAINER);
        return vfring_vf_error_remedy(error, "the administrator runs modprobe vfio_iommu_type1, on a machine whose "
                                             "IOMMU is on (intel_iommu=on or amd_iommu=on on the kernel command line)");
    }
    if (step == VFRING_VFIO_SET_IOMMU && err == -EPERM) {
        vfring_vf_error_set(error, err, "VF %s: the IOMMU does not isolate its interrupts", name);
        return vfring_vf_error_remedy(error, "the administrator turns interrupt remapping on, in the firmware; "
                                             "allow_unsafe_interrupts is no way for a machine with several users");
    }
    if (err == -EPERM) {
        return explain_barred(path, name, err, error);
    }
    if (err == -EACCES) {
        return vfring_node_explain(step == VFRING_VFIO_OPEN_CONTAINER ? VFRING_VFIO_CONTAINER : path, err, error);
    }
    vfring_vf_error_set(error, err, "VF %s: cannot %s: %s", name, vfring_vfio_step_text(step), strerror(-err));
    return vfring_vf_error_remedy(error, "see the kernel log for vfio and for %s", name);
}

/* What the process has locked so far, what is pinned for VFIO with it (VmLck, proc(5)). */
static uint64_t locked_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long long kib = 0;
    char line[128];

    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (sscanf(line, "VmLck: %llu kB", &kib) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return (uint64_t) kib * 1024;
}

static int explain_nomem(const char *name, size_t bytes, struct vfring_vf_error *error)
{
    const uint64_t used = locked_bytes();
    const uint64_t need = used + bytes;
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || need <= limit.rlim_cur) {
        vfring_vf_error_set(error, -ENOMEM, "VF %s: cannot pin %zu bytes: the kernel is out of memory", name, bytes);
        return vfring_vf_error_remedy(error, "free memory on the node, or give each process smaller rings");
    }
    vfring_vf_error_set(error, -ENOMEM, "VF %s: cannot pin %zu bytes: the process's limit of locked memory "
                        "(RLIMIT_MEMLOCK) is %" PRIu64 " bytes, %" PRIu64 " are used", name, bytes,
                        (uint64_t) limit.rlim_cur, used);
    return vfring_vf_error_remedy(error, "raise it to at least %" PRIu64 " bytes on every node: ulimit -l %" PRIu64
                                  " (KiB), or memlock in /etc/security/limits.conf, or LimitMEMLOCK= of the service "
                                  "that starts the job (sshd, slurmd); vfringd raises it for a lease", need,
                                  (need + 1023) / 1024);
}

int vfring_vfio_explain_map(const char *name, const void *vaddr, size_t bytes, bool written, int err,
                            struct vfring_vf_error *error)
{
    switch (err) {
    case -ENOMEM:
        return explain_nomem(name, bytes, error);
    case -ENOSPC:
        vfring_vf_error_set(error, err, "VF %s: cannot register %zu bytes: VFIO has as many regions as it takes", name,
                            bytes);
        return vfring_vf_error_remedy(error, "let the registration cache keep fewer buffers "
                                             "(btl_vfring_rcache_entries), or the administrator raises "
                                             "dma_entry_limit of the module vfio_iommu_type1");
    case -EFAULT:
        vfring_vf_error_set(error, err, "VF %s: %zu bytes at %p are not all memory of this process%s", name, bytes,
                            vaddr, written ? " that can be written" : "");
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    default:
        vfring_vf_error_set(error, err, "VF %s: cannot register %zu bytes at %p: %s", name, bytes, vaddr,
                            strerror(-err));
        return vfring_vf_error_remedy(error, "see the kernel log for vfio and for %s", name);
    }
}
