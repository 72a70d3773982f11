// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: threads that register, unregister and lose memory,
 * query, mask and reset; then the same in a process that is killed, and in one
 * whose device is unbound under it. Afterwards nothing may be left behind.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define THREADS		4
#define STEPS		1500
#define SLOTS		8
#define MAX_PAGES	16
#define KILLS		8
#define UNBINDS		4

static int fd;
static atomic_int strange;
static atomic_bool gone;

struct slot {
	uint64_t id;
	char *mem;
	size_t length;
};

static void expect(int ret, int allowed, const char *what)
{
	if (!ret || ret == allowed)
		return;
	if (ret == -ENODEV) {
		atomic_store(&gone, true);
		return;
	}
	printf("# %s: %s\n", what, strerror(-ret));
	atomic_fetch_add(&strange, 1);
}

static void fill(struct slot *slot, unsigned int *seed)
{
	struct uio_vf_dma_map map = {};
	int ret;

	slot->length = (1 + rand_r(seed) % MAX_PAGES) * PAGE;
	slot->mem = memory(slot->length);
	ret = vf_map(fd, slot->mem, slot->length, RW, &map);
	expect(ret, -ENOMEM, "map");
	slot->id = ret ? 0 : map.region_id;
}

static void clear(struct slot *slot)
{
	if (slot->id)
		expect(vf_unmap(fd, slot->id, NULL), 0, "unmap");
	if (slot->mem)
		munmap(slot->mem, slot->length);
	*slot = (struct slot) { 0 };
}

static void step(struct slot *slot, unsigned int *seed)
{
	struct uio_vf_reset reset = { .size = sizeof(reset) };
	struct uio_vf_irq irq = { .size = sizeof(irq) };
	struct uio_vf_region region;

	if (!slot->mem) {
		fill(slot, seed);
		return;
	}
	switch (rand_r(seed) % 12) {
	case 0:
	case 1:
	case 2:
		clear(slot);
		break;
	case 3:
		munmap(slot->mem, slot->length);
		slot->mem = NULL;
		clear(slot);
		break;
	case 4:
		madvise(slot->mem, PAGE, MADV_DONTNEED);
		break;
	case 5:
		mprotect(slot->mem, slot->length, PROT_READ);
		mprotect(slot->mem, slot->length, PROT_READ | PROT_WRITE);
		break;
	case 6:
		slot->mem[0]++;
		break;
	case 7:
		irq.flags = UIO_VF_IRQ_ALL_VECTORS |
			    (rand_r(seed) % 2 ? UIO_VF_IRQ_MASK :
						UIO_VF_IRQ_UNMASK);
		expect(vf_ioctl(fd, UIO_VF_IOCTL_IRQ, &irq), 0, "irq");
		break;
	case 8:
		if (rand_r(seed) % 100 == 0)
			expect(vf_ioctl(fd, UIO_VF_IOCTL_RESET, &reset), 0,
			       "reset");
		break;
	case 9:
		if (rand_r(seed) % 50 == 0) {
			pid_t child = fork();

			if (!child)
				_exit(0);
			waitpid(child, NULL, 0);
		}
		break;
	default:
		if (slot->id)
			expect(vf_region(fd, slot->id, &region), 0, "query");
	}
}

static void *work(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	struct slot slots[SLOTS] = {};
	/* An odd argument works until the device is gone, or for ever. */
	bool forever = seed % 2;

	for (int i = 0; (forever || i < STEPS) && !atomic_load(&gone); i++)
		step(&slots[rand_r(&seed) % SLOTS], &seed);
	for (int i = 0; i < SLOTS; i++)
		clear(&slots[i]);
	return NULL;
}

static void run_threads(unsigned int odd)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work,
			       (void *)(1000 * i + odd));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void test_threads(void)
{
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	run_threads(0);
	EQUAL(strange, 0, "threads: every answer was expected");
	OK(!gone, "threads: the device is there");
	EQUAL(vf_attr("dma_live_bytes"), 0, "threads: nothing is registered");
	EQUAL(pinned_bytes(getpid()), 0, "threads: nothing is pinned");
	close(fd);
}

/* A child at work; returns when it is. */
static pid_t start_child(void)
{
	int pipefd[2];
	char byte;
	pid_t child;

	if (pipe(pipefd))
		exit(1);
	child = fork();
	if (!child) {
		fd = vf_open(O_RDWR);
		if (fd < 0 || write(pipefd[1], "x", 1) != 1)
			_exit(1);
		run_threads(1);
		/* Only a device that is gone ends the work. */
		_exit(atomic_load(&strange) ? 1 : 0);
	}
	close(pipefd[1]);
	NEED(read(pipefd[0], &byte, 1) == 1, "a child is at work");
	close(pipefd[0]);
	return child;
}

/*
 * Is the device closed, with nothing registered? A process that is killed while
 * it forks leaves a child, which has the device open until it has ended too.
 */
static bool is_free(void)
{
	char state[16];

	for (int i = 0; i < 1000; i++) {
		vf_attr_string("state", state, sizeof(state));
		if (!strcmp(state, "free"))
			return !vf_attr("dma_live_bytes");
		usleep(10000);
	}
	return false;
}

static void test_kills(void)
{
	int status;

	for (int i = 0; i < KILLS; i++) {
		pid_t child = start_child();

		usleep(20000 + 37000 * i);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		OK(is_free(), "killed at work: nothing is left");
	}
}

static void find_node(void)
{
	char path[300], node[300] = "";
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/uio_vf",
		 vf_bdf());
	dir = opendir(path);
	NEED(dir, "bound again");
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(node, sizeof(node), "/dev/%s", entry->d_name);
	closedir(dir);
	setenv("UIO_VF_NODE", node, 1);
	NEED(!chown(node, atoi(getenv("UIO_VF_UID")), -1),
	     "the node is the user's");
}

static void test_unbinds(void)
{
	int status;

	for (int i = 0; i < UNBINDS; i++) {
		pid_t child = start_child();

		usleep(20000 + 71000 * i);
		as_root();
		ERROR(write_file("/sys/bus/pci/drivers/uio_vf/unbind",
				 vf_bdf()), 0, "unbound at work");
		waitpid(child, &status, 0);
		EQUAL(status, 0, "the work ends, every answer was expected");
		ERROR(write_file("/sys/bus/pci/drivers/uio_vf/bind",
				 vf_bdf()), 0, "bound again");
		find_node();
		as_user();
	}
}

int main(void)
{
	set_memlock(64UL << 20);
	test_threads();
	test_kills();
	test_unbinds();
	return tap_end();
}
