// SPDX-License-Identifier: GPL-2.0-only
/* Who may open a node, and what sysfs says about it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

static void test_permissions(void)
{
	struct stat st;
	int fd;

	NEED(!stat(vf_node(), &st), "the node exists");
	EQUAL(st.st_mode & 07777, 0600, "its mode is 0600");
	NEED(!chown(vf_node(), 0, 0), "it can be given to root");
	as_user();
	ERROR(vf_open(O_RDWR), -EACCES, "another user is refused");
	as_root();
	NEED(!chown(vf_node(), atoi(getenv("UIO_VF_UID")), -1),
	     "it can be given to a user");
	as_user();
	fd = vf_open(O_RDWR);
	OK(fd >= 0, "who owns the node opens it without any capability");
	ERROR(vf_open(O_RDWR), -EBUSY, "a second open is refused");
	as_root();
	ERROR(vf_open(O_RDWR), -EBUSY, "root's, too");
	close(fd);
}

static void test_attributes(void)
{
	uint64_t generation = vf_attr("generation");
	char text[64];
	int fd;

	vf_attr_string("abi", text, sizeof(text));
	OK(!strcmp(text, "1.1"), "attribute abi");
	vf_attr_string("state", text, sizeof(text));
	OK(!strcmp(text, "free"), "state is free while closed");
	EQUAL(vf_attr("owner_pid"), 0, "no owner while closed");

	as_user();
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	vf_attr_string("state", text, sizeof(text));
	OK(!strcmp(text, "open"), "state is open while open");
	EQUAL(vf_attr("owner_pid"), getpid(), "the owner is who opened it");
	EQUAL(vf_attr("generation"), generation + 1, "an open is a generation");
	EQUAL(vf_info(fd).generation, generation + 1, "info says the same");
	ERROR(vf_attr_write("dma_limit_bytes", "4096"), -EACCES,
	      "the owner cannot set its own limit");
	as_root();
	ERROR(vf_attr_write("dma_limit_bytes", "12k"), -EINVAL,
	      "a limit that is no number is refused");
	close(fd);
	vf_attr_string("state", text, sizeof(text));
	OK(!strcmp(text, "free"), "state is free again after close");
	EQUAL(vf_attr("owner_pid"), 0, "no owner after close");
}

static void test_maps(void)
{
	char path[256], pci[64], line[256];
	unsigned long long start, end;
	FILE *resource;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		 vf_bdf());
	resource = fopen(path, "r");
	NEED(resource && fgets(line, sizeof(line), resource) &&
	     sscanf(line, "%llx %llx", &start, &end) == 2,
	     "the PCI core knows BAR 0");
	fclose(resource);
	EQUAL(vf_attr("maps/map0/addr"), start, "maps/map0/addr");
	EQUAL(vf_attr("maps/map0/size"), end - start + 1, "maps/map0/size");
	EQUAL(vf_attr("maps/map0/offset"), 0, "maps/map0/offset");
	vf_attr_string("maps/map0/name", pci, sizeof(pci));
	OK(!strcmp(pci, "BAR0"), "maps/map0/name");
}

static void test_bus_master(void)
{
	int fd;

	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER), "bus mastering is off while closed");
	as_user();
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	as_root();
	OK(pci_command() & PCI_COMMAND_BUS_MASTER, "bus mastering is on while open");
	close(fd);
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER), "bus mastering is off after close");
}

/* The node is still open in a child, but the memory's owner is gone. */
static void test_end_of_memory(void)
{
	int ready[2], hold[2], status;
	char byte, text[16];
	pid_t child;

	NEED(!pipe(ready) && !pipe(hold), "pipes");
	child = fork();
	if (!child) {
		int fd = vf_open(O_RDWR);

		if (fork())
			_exit(fd < 0);
		close(hold[1]);
		/* The owner's end closes its copy: then its memory is gone. */
		write(ready[1], "x", 1);
		read(hold[0], &byte, 1);
		_exit(0);
	}
	close(hold[0]);
	waitpid(child, &status, 0);
	EQUAL(status, 0, "a child opens the node and ends");
	NEED(read(ready[0], &byte, 1) == 1, "its own child holds the node");
	vf_attr_string("state", text, sizeof(text));
	OK(!strcmp(text, "open"), "which therefore is open");
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER), "but bus mastering has ended");
	close(hold[1]);
	for (int i = 0; i < 500 && strcmp(text, "free"); i++) {
		usleep(10000);
		vf_attr_string("state", text, sizeof(text));
	}
	OK(!strcmp(text, "free"), "the last close frees the device");
}

int main(void)
{
	test_permissions();
	test_attributes();
	test_maps();
	test_bus_master();
	test_end_of_memory();
	return tap_end();
}
