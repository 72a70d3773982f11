// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts: the event count, masking, eventfds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

/* An interrupt that was raised gets here within this time, or never. */
#define SOON_MS		5000
/* How long to look out for one that must not come. */
#define LOOK_OUT_MS	200

static int fd;
static struct igbvf vf;

static bool comes(int which, int ms)
{
	struct pollfd pollfd = { .fd = which, .events = POLLIN };

	return poll(&pollfd, 1, ms) == 1 && (pollfd.revents & POLLIN);
}

static uint32_t read_count(void)
{
	uint32_t count = 0;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		tap_result(false, "read()", strerror(errno));
	return count;
}

/* Late spurious interrupts belong to the raise before. */
static void settle(void)
{
	while (comes(fd, LOOK_OUT_MS))
		read_count();
}

static int write_mask(int32_t value)
{
	return write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -errno;
}

static int irq(uint32_t flags, uint32_t vector, int32_t eventfd)
{
	struct uio_vf_irq req = {
		.size = sizeof(req),
		.flags = flags,
		.vector = vector,
		.eventfd = eventfd,
	};

	return vf_ioctl(fd, UIO_VF_IOCTL_IRQ, &req);
}

static void test_count(void)
{
	const volatile struct uio_vf_status *status = vf_status_page(fd);
	uint32_t count, more;
	char three[3];

	settle();
	OK(read(fd, &count, sizeof(count)) < 0 && errno == EAGAIN,
	   "read() without an event, O_NONBLOCK");
	OK(read(fd, three, sizeof(three)) < 0 && errno == EINVAL,
	   "read() of 3 bytes");
	for (int vector = 0; vector < 3; vector++) {
		uint64_t before = status->event_count;

		igbvf_irq_raise(&vf, vector);
		OK(comes(fd, SOON_MS), "an interrupt makes the node readable");
		count = read_count();
		OK(count > (uint32_t)before, "and moves the event count");
		OK((uint32_t)status->event_count >= count,
		   "which the status page shows");
		settle();
	}
	igbvf_irq_raise(&vf, 0);
	OK(comes(fd, SOON_MS), "one more");
	more = read_count();
	OK(more > count, "the count goes on");
	settle();
	EQUAL(vf_attr("event_count"), status->event_count,
	      "sysfs shows the same count");
}

/* Which vector fired: what neither read() nor the event count tells. */
static void test_vector_counts(void)
{
	const volatile struct uio_vf_status *status = vf_status_page(fd);
	uint64_t before[3];
	char text[60];

	OK(vf_info(fd).caps & UIO_VF_CAP_VECTOR_COUNTS, "vectors are counted");
	EQUAL(status->num_vectors, 3, "three");
	for (int vector = 0; vector < 3; vector++) {
		settle();
		for (int i = 0; i < 3; i++)
			before[i] = status->vector_count[i];
		igbvf_irq_raise(&vf, vector);
		OK(comes(fd, SOON_MS), "an interrupt");
		settle();
		for (int i = 0; i < 3; i++) {
			snprintf(text, sizeof(text),
				 "of vector %d: count of vector %d %s", vector,
				 i, i == vector ? "moves" : "stands");
			OK(i == vector ? status->vector_count[i] > before[i] :
					 status->vector_count[i] == before[i],
			   text);
		}
	}
}

static void test_blocking(void)
{
	uint32_t count = 0;
	int status = -1;
	pid_t child;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	child = fork();
	if (!child) {
		/* The registers are the parent's, the node is shared. */
		_exit(read(fd, &count, sizeof(count)) == sizeof(count) ? 0 : 1);
	}
	usleep(100000);
	igbvf_irq_raise(&vf, 0);
	waitpid(child, &status, 0);
	EQUAL(status, 0, "a blocked read() returns");
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	settle();
}

static void test_mask(void)
{
	int32_t bad = 2;

	ERROR(write_mask(0), 0, "write(0)");
	igbvf_irq_raise(&vf, 0);
	OK(!comes(fd, LOOK_OUT_MS), "masks");
	ERROR(write_mask(0), 0, "write(0) again");
	ERROR(write_mask(1), 0, "write(1)");
	OK(comes(fd, SOON_MS), "unmasks, and delivers what was pending");
	settle();
	OK(write(fd, &bad, sizeof(bad)) < 0 && errno == EINVAL,
	   "write() of another value");
	OK(write(fd, &bad, 1) < 0 && errno == EINVAL, "write() of a byte");

	ERROR(irq(UIO_VF_IRQ_MASK, 0, 0), 0, "mask vector 0");
	igbvf_irq_raise(&vf, 0);
	OK(!comes(fd, LOOK_OUT_MS), "vector 0 is silent");
	igbvf_irq_raise(&vf, 1);
	OK(comes(fd, SOON_MS), "vector 1 is not");
	settle();
	ERROR(irq(UIO_VF_IRQ_UNMASK, 0, 0), 0, "unmask vector 0");
	OK(comes(fd, SOON_MS), "vector 0 speaks again");
	settle();
	ERROR(irq(UIO_VF_IRQ_MASK | UIO_VF_IRQ_ALL_VECTORS, 99, 0), 0,
	      "mask all, vector ignored");
	igbvf_irq_raise(&vf, 1);
	OK(!comes(fd, LOOK_OUT_MS), "all are silent");
	ERROR(irq(UIO_VF_IRQ_UNMASK | UIO_VF_IRQ_ALL_VECTORS, 99, 0), 0,
	      "unmask all");
	OK(comes(fd, SOON_MS), "and speak again");
	settle();
}

static void test_eventfd(void)
{
	int one = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int all = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const uint32_t set = UIO_VF_IRQ_SET_EVENTFD;
	const uint32_t set_all = set | UIO_VF_IRQ_ALL_VECTORS;
	uint64_t value;

	ERROR(irq(set, 1, one), 0, "eventfd for vector 1");
	ERROR(irq(set_all, 0, all), 0, "eventfd for all");
	igbvf_irq_raise(&vf, 0);
	OK(comes(all, SOON_MS), "vector 0 signals the one for all");
	OK(!comes(one, LOOK_OUT_MS), "but not vector 1's");
	igbvf_irq_raise(&vf, 1);
	OK(comes(one, SOON_MS), "vector 1 signals its own");
	OK(comes(fd, SOON_MS), "beside the event count");
	settle();
	ERROR(irq(set, 1, -1), 0, "taken back");
	ERROR(irq(set_all, 0, -1), 0, "both");
	while (read(one, &value, 8) == 8 || read(all, &value, 8) == 8)
		;
	igbvf_irq_raise(&vf, 1);
	OK(comes(fd, SOON_MS), "an interrupt comes");
	OK(!comes(one, 0) && !comes(all, 0), "and signals neither");
	settle();
	ERROR(irq(set, 0, fd), -EBADF, "no eventfd");
	ERROR(irq(set, 0, 12345), -EBADF, "no file at all");
	ERROR(irq(set, 0, -2), -EBADF, "nor a number for none");
	/* Left set on purpose: close has to let go of it. */
	ERROR(irq(set_all, 0, all), 0, "an eventfd is left behind");
	close(one);
	close(all);
}

static void test_arguments(void)
{
	ERROR(irq(0, 0, 0), -EINVAL, "no action");
	ERROR(irq(UIO_VF_IRQ_MASK | UIO_VF_IRQ_UNMASK, 0, 0), -EINVAL,
	      "two actions");
	ERROR(irq(UIO_VF_IRQ_ALL_VECTORS, 0, 0), -EINVAL, "all, no action");
	ERROR(irq(UIO_VF_IRQ_MASK, vf_info(fd).num_vectors, 0), -EINVAL,
	      "a vector too high");
}

static void test_after_reset(void)
{
	struct uio_vf_reset reset = { .size = sizeof(reset) };

	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_RESET, &reset), 0, "reset");
	OK(igbvf_reset(&vf), "the PF answers after it");
	igbvf_irq_enable(&vf);
	settle();
	igbvf_irq_raise(&vf, 0);
	OK(comes(fd, SOON_MS), "interrupts work after a reset");
}

/*
 * A join sets the vectors up anew, for it changes the domain of their messages.
 * One that came meanwhile may have been lost: each vector counts one.
 */
static void test_join(void)
{
	const volatile struct uio_vf_status *status = vf_status_page(fd);
	int second = vf_open_second(O_RDWR);
	int one = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct uio_vf_join join = { .size = sizeof(join), .fd = second };
	uint64_t before[3], value;

	NEED(second >= 0, "open another");
	ERROR(irq(UIO_VF_IRQ_SET_EVENTFD, 1, one), 0, "an eventfd for vector 1");
	ERROR(irq(UIO_VF_IRQ_MASK, 0, 0), 0, "vector 0 is masked");
	settle();
	for (int i = 0; i < 3; i++)
		before[i] = status->vector_count[i];
	igbvf_irq_raise(&vf, 0);
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_JOIN, &join), 0, "join the other");
	EQUAL(vf_info(fd).num_vectors, 3, "it has the same vectors");
	OK(status->vector_count[1] > before[1] &&
	   status->vector_count[2] > before[2],
	   "each has an event");
	OK(comes(one, SOON_MS), "the eventfd is still there");
	settle();
	(void)!read(one, &value, sizeof(value));
	igbvf_irq_raise(&vf, 0);
	OK(!comes(fd, LOOK_OUT_MS), "vector 0 is still masked");
	EQUAL(status->vector_count[0], before[0], "and has none");
	ERROR(irq(UIO_VF_IRQ_UNMASK, 0, 0), 0, "unmask it");
	OK(status->vector_count[0] > before[0], "it has one");
	for (int vector = 0; vector < 3; vector++) {
		settle();
		before[vector] = status->vector_count[vector];
		igbvf_irq_raise(&vf, vector);
		OK(comes(fd, SOON_MS) && status->vector_count[vector] > before[vector],
		   "interrupts work after a join");
	}
	OK(comes(one, SOON_MS), "vector 1 signals its eventfd");
	settle();
	ERROR(irq(UIO_VF_IRQ_MASK | UIO_VF_IRQ_ALL_VECTORS, 0, 0), 0, "mask all");
	igbvf_irq_raise(&vf, 1);
	OK(!comes(fd, LOOK_OUT_MS), "all are silent");
	ERROR(irq(UIO_VF_IRQ_UNMASK | UIO_VF_IRQ_ALL_VECTORS, 0, 0), 0, "unmask all");
	OK(comes(fd, SOON_MS), "and speak again");
	settle();
	ERROR(irq(UIO_VF_IRQ_SET_EVENTFD, 1, -1), 0, "the eventfd is taken back");
	close(one);
	close(second);
}

int main(void)
{
	as_user();
	fd = vf_open(O_RDWR | O_NONBLOCK);
	NEED(fd >= 0, "open");
	test_arguments();
	if (!igbvf_known(fd)) {
		printf("# no 82576 VF: nothing can raise its interrupts\n");
		return tap_end();
	}
	igbvf_map(&vf, fd);
	NEED(igbvf_reset(&vf), "the PF answers");
	igbvf_irq_enable(&vf);
	test_count();
	test_vector_counts();
	test_blocking();
	test_mask();
	test_eventfd();
	test_after_reset();
	test_join();
	return tap_end();
}
