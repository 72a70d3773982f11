// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program written for UIO, given the node's path: open(), read(), write(),
 * select(), mmap(), and the sysfs folder of maps. No ioctl.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

static int fd;
static struct igbvf vf;

static bool readable(int ms)
{
	struct timeval wait = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &wait) == 1;
}

static uint32_t count(void)
{
	uint32_t value = 0;

	if (read(fd, &value, sizeof(value)) != sizeof(value))
		tap_result(false, "read()", strerror(errno));
	return value;
}

static void settle(void)
{
	while (readable(200))
		count();
}

static void enable(int32_t on)
{
	if (write(fd, &on, sizeof(on)) != sizeof(on))
		tap_result(false, "write()", strerror(errno));
}

static void test_causes(void)
{
	uint32_t last = count();
	char name[60];

	for (int cause = 0; cause < 3; cause++) {
		settle();
		igbvf_irq_raise(&vf, cause);
		snprintf(name, sizeof(name), "cause %d makes it readable", cause);
		OK(readable(5000), name);
		snprintf(name, sizeof(name), "cause %d moves the count", cause);
		uint32_t next = count();

		OK(next > last, name);
		last = next;
	}
}

static void test_masking(void)
{
	settle();
	enable(0);
	igbvf_irq_raise(&vf, 0);
	OK(!readable(200), "no event while masked");
	enable(1);
	OK(readable(5000), "it comes when unmasked");
	settle();
	igbvf_irq_raise(&vf, 0);
	OK(readable(5000), "and the next one");
	settle();
}

int main(void)
{
	size_t bytes = vf_attr("maps/map0/size");
	char name[32];

	/* As such programs are found: the map tells its size and place. */
	vf_attr_string("maps/map0/name", name, sizeof(name));
	OK(!strcmp(name, "BAR0"), "map0 is BAR 0");
	EQUAL(bytes, VFRING_82576_BAR0_BYTES, "of the size of its registers");
	EQUAL(vf_attr("maps/map0/addr") % PAGE, vf_attr("maps/map0/offset"),
	      "its offset is where it begins in its page");
	as_user();
	fd = open(vf_node(), O_RDWR);
	NEED(fd >= 0, "open()");
	vf.regs = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(vf.regs != MAP_FAILED, "mmap()");
	NEED(igbvf_reset(&vf), "the PF answers");
	igbvf_irq_enable(&vf);
	igbvf_irq_raise(&vf, 0);
	NEED(readable(5000), "an interrupt comes");
	test_causes();
	test_masking();
	return tap_end();
}
