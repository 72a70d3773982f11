/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests do with a node. Calls return 0 or a negated errno.
 *
 * A test runs as root and lowers itself to an ordinary user with as_user() for
 * what such a user would do; the effective user id rules both file permissions
 * and capabilities.
 */
#ifndef UIO_VF_TESTS_VF_H
#define UIO_VF_TESTS_VF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../uapi/uio_vf.h"

#define PAGE	4096UL
#define RW	(UIO_VF_DMA_READ | UIO_VF_DMA_WRITE)

/* Set by run-tests.sh: node, PCI address, and the ordinary user's id. */
const char *vf_node(void);
const char *vf_bdf(void);
void as_user(void);
void as_root(void);

int vf_open(int flags);
/* The second node that run-tests.sh prepares. */
int vf_open_second(int flags);
int vf_ioctl(int fd, unsigned long cmd, void *arg);
int vf_join(int fd, int with);
int vf_map(int fd, void *vaddr, size_t length, uint32_t flags,
	   struct uio_vf_dma_map *map);
int vf_unmap(int fd, uint64_t id, uint64_t *bytes);
int vf_region(int fd, uint64_t id, struct uio_vf_region *region);
uint32_t vf_region_state(int fd, uint64_t id);
struct uio_vf_info vf_info(int fd);

/* Fresh anonymous memory, written to once; never the NULL of an error. */
void *memory(size_t length);
const volatile struct uio_vf_status *vf_status_page(int fd);
void *vf_bar(int fd, int bar, size_t length);

/* An attribute of the class device, and one of the PCI function. */
uint64_t vf_attr(const char *name);
void vf_attr_string(const char *name, char *buf, size_t size);
int vf_attr_write(const char *name, const char *value);
int write_file(const char *path, const char *value);
/* The command register of its configuration space; needs root. */
unsigned int pci_command(void);
#define PCI_COMMAND_BUS_MASTER	4
void read_file(const char *path, char *buf, size_t size);

/*
 * To sleep as deep as the kernel's own test of devices goes (pm_test), and wake
 * up. @how is "freeze", or "disk" for hibernation. Needs root.
 */
int sleep_shortly(const char *how);

/* Memory this process has pinned, in bytes, as the kernel accounts it. */
uint64_t pinned_bytes(pid_t pid);
void set_memlock(uint64_t bytes);
void set_device_limit(uint64_t bytes);

/* How much to do: $NAME, set by run-tests.sh --long, or the short default. */
unsigned long amount(const char *name, unsigned long fallback);

#endif /* UIO_VF_TESTS_VF_H */
